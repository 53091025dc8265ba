/* Draws /status.json, every ten seconds anew. */

import { by_id, bytes, chart, element, follow, number, per_second, percent, seconds, table, words } from './status-parts.js';

const charts = [
  { title: 'Requests', lines: [['requests_per_second', 'all'], ['failed_per_second', 'failed']], unit: per_second },
  { title: 'Answer time', lines: [['seconds_p99', '99 %'], ['seconds_p50', 'half']], unit: seconds },
  { title: 'Records', lines: [['records_per_second', 'written']], unit: per_second },
  { title: 'Commands that wait', lines: [['commands_waiting', 'waiting']], unit: number },
  { title: 'Effects', lines: [['effects_pending', 'pending'], ['effects_parked', 'parked']], unit: number },
  { title: 'Outgoing', lines: [['outgoing', 'under way'], ['outgoing_waiting', 'in line']], unit: number },
  { title: 'Calls of plugins', lines: [['plugin_calls_per_second', 'ended']], unit: per_second },
  { title: 'Processor', lines: [['cpu', 'of one core']], unit: percent },
  { title: 'Memory', lines: [['memory_bytes', 'resident']], unit: bytes },
  { title: 'Free on the disk', lines: [['disk_free_bytes', 'free']], unit: bytes },
];

function objective(one) {
  const share = one.requests === 0 ? 1 : one.good / one.requests;
  const left = Math.max(0, Math.min(1, one.budget_left));
  const state = one.budget_left <= 0 ? 'fail' : one.budget_left < 0.25 ? 'warn' : 'pass';
  const fill = element('i', { class: state });
  fill.style.width = `${left * 100}%`;
  const burn = Object.entries(one.burn).map(([window, rate]) => `${window}: ${number(rate)}×`).join(', ');
  return element('div', { class: 'card' },
    element('b', { text: one.title }),
    element('div', { class: 'large', text: one.requests === 0 ? '–' : `${(share * 100).toFixed(3)} %` }),
    element('div', { class: 'bar' }, fill),
    element('div', { class: 'quiet', text: `Promised ${one.target * 100} %; ${Math.round(left * 100)} % of what may go wrong is left.` }),
    element('div', { class: 'quiet', text: `Used up at ${burn} (1×: just in time)` }));
}

function show(status) {
  const { health, series } = status;
  by_id('node').textContent = health.serviceId;
  by_id('release').textContent = `travd ${health.releaseId}`;
  by_id('time').textContent = new Date(status.time).toLocaleString();
  by_id('state').textContent = words[health.status] ?? health.status;
  by_id('state').className = `state ${health.status}`;
  document.title = `${words[health.status] ?? health.status} – Travertine`;
  const checks = Object.entries(health.checks).flatMap(([name, all]) => all.map((check) => ({ name, ...check })));
  const problems = checks.filter((check) => check.status !== 'pass');
  by_id('attention').hidden = problems.length === 0;
  by_id('problems').replaceChildren(...problems.map((check) =>
    element('li', { class: check.status, text: `${check.componentId ? `${check.componentId}: ` : ''}${check.output}` })));
  by_id('objectives').replaceChildren(...status.objectives.map(objective));
  const length_s = (series.times.at(-1) ?? 0) - (series.times[0] ?? 0);
  by_id('span').textContent = length_s >= 5400 ? `${number(length_s / 3600)} hours` : `${Math.max(1, Math.round(length_s / 60))} minutes`;
  by_id('charts').replaceChildren(...charts.map((one) => chart(one, series)));
  table('shards', [
    { title: 'Shard', value: (row) => row.shard },
    { title: 'Role', value: (row) => row.role },
    { title: 'Ready', value: (row) => (row.ready ? 'yes' : 'no'), state: (row) => (row.ready ? 'pass' : row.role === 'owner' ? 'fail' : '') },
    { title: 'Records', value: (row) => row.records.toLocaleString(), is_number: true },
    { title: 'Newest snapshot', value: (row) => (row.snapshot ? new Date(row.snapshot).toLocaleString() : 'none') },
  ], status.shards, 'No shard yet');
  const count = (title, of) => ({ title, value: (row) => of(row)?.toLocaleString() ?? '', is_number: true });
  table('queues', [
    { title: 'Shard', value: (row) => row.shard },
    count('Commands that wait', (row) => row.waiting),
    count('Effects without outcome', (row) => row.effects?.pending),
    count('tried now', (row) => row.effects?.under_way),
    count('wait for a try', (row) => row.effects?.waiting),
    { ...count('wait to be released', (row) => row.effects?.parked), state: (row) => (row.effects?.parked ? 'warn' : '') },
    count('Timers set', (row) => row.timers?.set),
    count('due now', (row) => row.timers?.due),
  ], status.shards, 'No shard yet');
  table('quarantines', [
    { title: 'Plugin', value: (row) => row.plugin },
    { title: 'Version', value: (row) => row.version },
    { title: 'Not called for', value: (row) => `${row.tenants.toLocaleString()} ${row.tenants === 1 ? 'tenant' : 'tenants'}`, state: () => 'warn' },
    { title: 'Since', value: (row) => new Date(row.since).toLocaleString() },
    { title: 'Until', value: () => 'each has released it' },
  ], status.quarantines, 'Every plugin is called: none is in quarantine');
  table('backups', [
    { title: 'Newest', value: (row) => (row.last ? new Date(row.last).toLocaleString() : 'none yet') },
    { title: 'Not in a backup yet', value: (row) => seconds(row.age_s) },
    { title: 'Succeeded', value: (row) => row.succeeded.toLocaleString(), is_number: true },
    { title: 'failed', value: (row) => row.failed.toLocaleString(), is_number: true },
    { title: 'Last drill', value: (row) => (row.drill ? new Date(row.drill.last).toLocaleString() : 'none yet') },
    { title: 'lost at most', value: (row) => (row.drill ? seconds(row.drill.recovery_point_s) : '') },
    { title: 'back after', value: (row) => (row.drill ? seconds(row.drill.recovery_time_s) : '') },
  ], status.backups ? [status.backups] : [], 'This node takes no backups: backup.target is not set');
  table('plugins', [
    { title: 'Plugin', value: (row) => row.id },
    { title: 'Version', value: (row) => row.version },
    { title: 'Calls that succeeded', value: (row) => row.succeeded.toLocaleString(), is_number: true },
    { title: 'failed', value: (row) => row.failed.toLocaleString(), is_number: true },
    { title: 'under way', value: (row) => row.under_way.toLocaleString(), is_number: true },
  ], status.plugins, 'No plugin is installed');
  table('checks', [
    { title: 'Check', value: (row) => row.name },
    { title: 'Of', value: (row) => row.componentId ?? '' },
    { title: 'State', value: (row) => words[row.status] ?? row.status, state: (row) => row.status },
    { title: 'Seen', value: (row) => (row.observedValue === undefined ? '' : row.observedUnit === 'bytes' ? bytes(row.observedValue) : `${row.observedValue.toLocaleString()} ${row.observedUnit ?? ''}`) },
  ], checks, 'No checks');
}

follow('status.json', show);
