/* Draws /status.json, every ten seconds anew. Text goes in as text, never as markup. */

const asked_every_ms = 10_000;
const by_id = (id) => document.getElementById(id);

function element(name, { text, ...attributes } = {}, ...children) {
  const made = document.createElement(name);
  if (text !== undefined) made.textContent = text;
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  made.append(...children);
  return made;
}

function drawing(name, attributes = {}) {
  const made = document.createElementNS('http://www.w3.org/2000/svg', name);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  return made;
}

/* ---- numbers for people */

function number(value) {
  if (value === 0) return '0';
  if (Math.abs(value) >= 1e6) return `${(value / 1e6).toPrecision(3)} M`;
  if (Math.abs(value) >= 1e4) return `${Math.round(value / 1e3)} k`;
  return Math.abs(value) >= 100 ? String(Math.round(value)) : String(Number(value.toPrecision(3)));
}
function bytes(value) {
  const units = ['B', 'KiB', 'MiB', 'GiB', 'TiB'];
  let unit = 0;
  while (value >= 1024 && unit < units.length - 1) { value /= 1024; unit += 1; }
  return `${Number(value.toPrecision(3))} ${units[unit]}`;
}
const seconds = (value) => (value >= 1 ? `${number(value)} s` : `${number(value * 1000)} ms`);
const percent = (value) => `${number(value * 100)} %`;
const per_second = (value) => `${number(value)}/s`;
const clock = (time_s) => new Date(time_s * 1000).toLocaleTimeString([], { hour: '2-digit', minute: '2-digit' });

/* ---- charts */

const charts = [
  { title: 'Requests', lines: [['requests_per_second', 'all'], ['failed_per_second', 'failed']], unit: per_second },
  { title: 'Answer time', lines: [['seconds_p99', '99 %'], ['seconds_p50', 'half']], unit: seconds },
  { title: 'Records', lines: [['records_per_second', 'written']], unit: per_second },
  { title: 'Commands that wait', lines: [['commands_waiting', 'waiting']], unit: number },
  { title: 'Effects', lines: [['effects_pending', 'pending'], ['effects_parked', 'parked']], unit: number },
  { title: 'Calls of plugins', lines: [['plugin_calls_per_second', 'ended']], unit: per_second },
  { title: 'Processor', lines: [['cpu', 'of one core']], unit: percent },
  { title: 'Memory', lines: [['memory_bytes', 'resident']], unit: bytes },
  { title: 'Free on the disk', lines: [['disk_free_bytes', 'free']], unit: bytes },
];

/* A round number that is not below the value. */
function top_of(value, unit) {
  if (!(value > 0)) return 1;
  const scale = unit === bytes ? 1024 ** Math.floor(Math.log(value) / Math.log(1024)) : 1;
  if (scale > 1) return top_of(value / scale) * scale;
  const power = 10 ** Math.floor(Math.log10(value));
  return [1, 2, 2.5, 5, 10].map((step) => step * power).find((step) => step >= value);
}

function chart({ title, lines, unit }, series) {
  const times = series.times;
  const width = 300;
  const height = 100;
  const top = top_of(Math.max(0, ...lines.flatMap(([name]) => series[name])), unit);
  const first = times[0] ?? 0;
  const length = Math.max(1, (times.at(-1) ?? 1) - first);
  const x = (i) => ((times[i] - first) / length) * width;
  const y = (value) => height - (value / top) * height;
  const picture = drawing('svg', { viewBox: `0 0 ${width} ${height}`, preserveAspectRatio: 'none', role: 'img' });
  const said = lines.map(([name, label]) => `${label} ${unit(series[name].at(-1) ?? 0)}`).join(', ');
  picture.append(drawing('title'));
  picture.firstChild.textContent = `${title}: now ${said}; the scale ends at ${unit(top)}`;
  for (const part of [0, 0.5, 1]) {
    picture.append(drawing('line', { class: 'grid', x1: 0, x2: width, y1: part * height, y2: part * height }));
  }
  lines.forEach(([name], index) => {
    const points = series[name].map((value, i) => `${x(i).toFixed(1)},${y(value).toFixed(1)}`);
    if (points.length < 2) return;
    if (index === 0) {
      picture.append(drawing('polygon', { class: 'area', points: `0,${height} ${points.join(' ')} ${width},${height}` }));
    }
    picture.append(drawing('polyline', { class: index === 0 ? 'line' : 'line second', points: points.join(' ') }));
  });
  return element('figure', { class: 'chart' },
    element('header', {}, element('b', { text: title }), element('span', { class: 'quiet now', text: said })),
    picture,
    element('div', { class: 'axis quiet' },
      element('span', { text: times.length ? clock(first) : '' }),
      element('span', { text: `to ${unit(top)}` }),
      element('span', { text: times.length ? clock(times.at(-1)) : 'no samples yet' })));
}

/* ---- tables and cards */

function table(id, columns, rows, nothing) {
  const target = by_id(id);
  if (rows.length === 0) {
    target.replaceChildren(element('tbody', {}, element('tr', {}, element('td', { class: 'quiet', text: nothing }))));
    return;
  }
  const head = element('tr', {}, ...columns.map(({ title, is_number }) =>
    element('th', { text: title, scope: 'col', class: is_number ? 'number' : '' })));
  const lines = rows.map((row) => element('tr', {}, ...columns.map(({ value, is_number, state }) =>
    element('td', { text: value(row), class: `${is_number ? 'number' : ''} ${state ? state(row) : ''}` }))));
  target.replaceChildren(element('thead', {}, head), element('tbody', {}, ...lines));
}

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

const words = { pass: 'Well', warn: 'Look at it', fail: 'Not well' };

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
    { title: 'Commands that wait', value: (row) => row.waiting.toLocaleString(), is_number: true },
    { title: 'Newest snapshot', value: (row) => (row.snapshot ? new Date(row.snapshot).toLocaleString() : 'none') },
  ], status.shards, 'No shard yet');
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

async function ask() {
  try {
    const answer = await fetch('status.json', { cache: 'no-store' });
    if (!answer.ok) throw new Error(String(answer.status));
    show(await answer.json());
    by_id('lost').hidden = true;
  } catch {
    by_id('lost').hidden = false;
    by_id('state').className = 'state fail';
    by_id('state').textContent = 'Out of reach';
  }
  setTimeout(ask, asked_every_ms);
}
ask();
