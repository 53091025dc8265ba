/* Draws status.json of a tenant, every ten seconds anew. What was is kept by the page, as long as it is open. */

import { by_id, chart, element, follow, number, table, words } from './status-parts.js';

const points_max = 360;
const series = { times: [], running: [], waiting: [], faulted: [], pending: [], parked: [] };
const charts = [
  { title: 'Instances', lines: [['running', 'running'], ['waiting', 'held']], unit: number },
  { title: 'Faulted instances', lines: [['faulted', 'kept']], unit: number },
  { title: 'Calls', lines: [['pending', 'pending'], ['parked', 'parked']], unit: number },
];

function remember(status) {
  const { instances, effects } = status;
  const now = {
    times: new Date(status.time).getTime() / 1000,
    running: instances.running,
    waiting: instances.suspended + instances.compensating,
    faulted: instances.faulted,
    pending: effects.pending,
    parked: effects.parked.length,
  };
  for (const [name, value] of Object.entries(now)) {
    series[name].push(value);
    if (series[name].length > points_max) series[name].shift();
  }
}

function show(status) {
  remember(status);
  by_id('tenant').textContent = status.tenant;
  by_id('time').textContent = new Date(status.time).toLocaleString();
  const state = status.attention.length === 0 ? 'pass' : 'warn';
  by_id('state').textContent = words[state];
  by_id('state').className = `state ${state}`;
  document.title = `${words[state]} – ${status.tenant} – Travertine`;
  by_id('attention').hidden = status.attention.length === 0;
  by_id('problems').replaceChildren(...status.attention.map((text) => element('li', { class: 'warn', text })));
  by_id('charts').replaceChildren(...charts.map((one) => chart(one, series)));
  table('faulted', [
    { title: 'Workflow', value: (row) => row.workflow },
    { title: 'Instance', value: (row) => row.id },
    { title: 'Ended', value: (row) => new Date(row.ended).toLocaleString() },
    { title: 'Because', value: (row) => row.error },
  ], status.faulted, 'None');
  table('parked', [
    { title: 'Plugin', value: (row) => `${row.plugin} ${row.version}` },
    { title: 'Operation', value: (row) => row.operation },
    { title: 'Instance', value: (row) => row.instance },
    { title: 'Since', value: (row) => new Date(row.parked).toLocaleString() },
  ], status.effects.parked, 'None');
  table('plugins', [
    { title: 'Plugin', value: (row) => row.id },
    { title: 'Version', value: (row) => row.version },
    { title: 'Current', value: (row) => (row.current ? 'yes' : '') },
    { title: 'State', value: (row) => (row.quarantine ? `quarantine: ${row.quarantine.reason}` : 'called'), state: (row) => (row.quarantine ? 'fail' : 'pass') },
  ], status.plugins, 'None is enabled');
}

follow('status.json', show);
