/* What the pages of a node and of a tenant draw with. Text goes in as text, never as markup. */

export const by_id = (id) => document.getElementById(id);

export function element(name, { text, ...attributes } = {}, ...children) {
  const made = document.createElement(name);
  if (text !== undefined) made.textContent = text;
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  made.append(...children);
  return made;
}

export function drawing(name, attributes = {}) {
  const made = document.createElementNS('http://www.w3.org/2000/svg', name);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  return made;
}

/* ---- numbers for people */

export function number(value) {
  if (value === 0) return '0';
  if (Math.abs(value) >= 1e6) return `${(value / 1e6).toPrecision(3)} M`;
  if (Math.abs(value) >= 1e4) return `${Math.round(value / 1e3)} k`;
  return Math.abs(value) >= 100 ? String(Math.round(value)) : String(Number(value.toPrecision(3)));
}
export function bytes(value) {
  const units = ['B', 'KiB', 'MiB', 'GiB', 'TiB'];
  let unit = 0;
  while (value >= 1024 && unit < units.length - 1) { value /= 1024; unit += 1; }
  return `${Number(value.toPrecision(3))} ${units[unit]}`;
}
export const seconds = (value) => (value >= 1 ? `${number(value)} s` : `${number(value * 1000)} ms`);
export const percent = (value) => `${number(value * 100)} %`;
export const per_second = (value) => `${number(value)}/s`;
export const clock = (time_s) => new Date(time_s * 1000).toLocaleTimeString([], { hour: '2-digit', minute: '2-digit' });

/* ---- charts */

/* A round number that is not below the value. */
function top_of(value, unit) {
  if (!(value > 0)) return 1;
  const scale = unit === bytes ? 1024 ** Math.floor(Math.log(value) / Math.log(1024)) : 1;
  if (scale > 1) return top_of(value / scale) * scale;
  const power = 10 ** Math.floor(Math.log10(value));
  return [1, 2, 2.5, 5, 10].map((step) => step * power).find((step) => step >= value);
}

export function chart({ title, lines, unit }, series) {
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
      picture.append(drawing('polygon', { class: 'area', points: `0,${height} ${points.join(' ')} ${x(points.length - 1).toFixed(1)},${height}` }));
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

export function table(id, columns, rows, nothing) {
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

export const words = { pass: 'Well', warn: 'Look at it', fail: 'Not well' };

/* Asks `path` now and every ten seconds, and shows each answer. */
export function follow(path, show) {
  // Without the credentials that the page's own address may have: a browser asks no such address.
  const address = new URL(path, location.origin + location.pathname);
  const ask = async () => {
    try {
      const answer = await fetch(address, { cache: 'no-store' });
      if (!answer.ok) throw new Error(String(answer.status));
      show(await answer.json());
      by_id('lost').hidden = true;
    } catch {
      by_id('lost').hidden = false;
      by_id('state').className = 'state fail';
      by_id('state').textContent = 'Out of reach';
    }
    setTimeout(ask, 10_000);
  };
  ask();
}
