/** The report's own style and script; plain text, so that nothing needs a bundler. */

export const pageStyle = `
:root { --bg: #fbfbfa; --fg: #1d1f23; --soft: #6a6f78; --line: #e3e3e0; --card: #ffffff; --a: #2563c9; --b: #c2571a; }
:root[data-theme=dark] { --bg: #15171a; --fg: #e6e7e9; --soft: #9aa0a8; --line: #2c3035; --card: #1d2024; --a: #6ea8ff; --b: #f2a15f; }
* { box-sizing: border-box; }
body { margin: 0; background: var(--bg); color: var(--fg); font: 15px/1.5 system-ui, sans-serif; }
header, main, footer { max-width: 1180px; margin: 0 auto; padding: 0 24px; }
header { display: flex; align-items: baseline; justify-content: space-between; gap: 16px; padding-top: 32px; }
h1 { font-size: 24px; line-height: 1.25; margin: 0; overflow-wrap: anywhere; }
h2 { font-size: 17px; margin: 40px 0 12px; }
h3 { font-size: 13px; color: var(--soft); margin: 0 0 4px; font-weight: 600; }
button, select { font: inherit; color: inherit; background: var(--card); border: 1px solid var(--line); border-radius: 6px; padding: 4px 10px; white-space: nowrap; }
.cards { display: grid; grid-template-columns: repeat(auto-fill, minmax(165px, 1fr)); gap: 12px; margin-top: 24px; }
.card { background: var(--card); border: 1px solid var(--line); border-radius: 10px; padding: 14px 16px; display: flex; flex-direction: column; }
.card b { font-size: 19px; white-space: nowrap; font-variant-numeric: tabular-nums; }
.card span, .hint, footer, figcaption { color: var(--soft); font-size: 13px; }
.controls { display: flex; flex-wrap: wrap; gap: 8px 24px; align-items: center; margin-bottom: 16px; }
.controls label { display: flex; gap: 8px; align-items: center; }
.charts { display: grid; grid-template-columns: repeat(auto-fit, minmax(min(480px, 100%), 1fr)); gap: 16px; }
figure { margin: 0; background: var(--card); border: 1px solid var(--line); border-radius: 10px; padding: 14px 12px 8px; min-width: 0; }
figcaption { padding: 0 4px 8px; font-weight: 600; }
.charts figure:first-child { grid-column: 1 / -1; }
.chart:focus-visible { outline: 2px solid var(--a); border-radius: 6px; }
.u-legend { font-size: 12px; text-align: left; color: var(--soft); }
.u-legend .u-value { min-width: 64px; display: inline-block; font-variant-numeric: tabular-nums; }
.samples { display: grid; gap: 12px; max-height: 640px; overflow-y: auto; }
article { background: var(--card); border: 1px solid var(--line); border-radius: 10px; padding: 12px 16px; }
article p { margin: 0; white-space: pre-wrap; overflow-wrap: anywhere; font-family: Georgia, 'Times New Roman', serif; }
table.settings { border-collapse: collapse; width: 100%; max-width: 720px; }
.settings th, .settings td { text-align: left; padding: 6px 12px 6px 0; border-bottom: 1px solid var(--line); vertical-align: top; overflow-wrap: anywhere; }
.settings th { color: var(--soft); font-weight: 500; width: 200px; text-transform: capitalize; }
footer { margin-top: 48px; padding-bottom: 32px; }
@media (max-width: 600px) { header, main, footer { padding-left: 16px; padding-right: 16px; } .settings th { width: 40%; } }
@media print { button, .controls { display: none; } .samples { max-height: none; } figure, article { break-inside: avoid; } }
`;

export const pageScript = `
(() => {
  const root = document.documentElement;
  const dark = matchMedia('(prefers-color-scheme: dark)');
  root.dataset.theme = dark.matches ? 'dark' : 'light';
  const data = JSON.parse(document.getElementById('data').textContent);
  const axis = document.getElementById('axis');
  const smoothing = document.getElementById('smoothing');
  const log = document.getElementById('log');
  const color = (name) => getComputedStyle(root).getPropertyValue(name).trim();
  const short = (v) => {
    if (v === null || v === undefined) return '';
    const a = Math.abs(v);
    if (a !== 0 && (a < 1e-3 || a >= 1e7)) return v.toExponential(2);
    return a >= 1000 ? Math.round(v).toLocaleString('en') : String(Number(v.toPrecision(4)));
  };
  const clock = (s) => s < 60 ? s.toFixed(0) + 's' : s < 3600 ? (s / 60).toFixed(1) + 'm' : (s / 3600).toFixed(2) + 'h';
  const smooth = (values, keep) => {
    let mean = 0, weight = 0;
    return values.map((v) => {
      if (v === null) return null;
      mean = keep * mean + (1 - keep) * v;
      weight = keep * weight + (1 - keep);
      return mean / weight;
    });
  };
  const align = (xs, points) => {
    const all = [...new Set([...xs, ...points])].sort((a, b) => a - b);
    const at = new Map(all.map((x, i) => [x, i]));
    return { all, place: (from, values) => { const out = new Array(all.length).fill(null); from.forEach((x, i) => { out[at.get(x)] = values[i]; }); return out; } };
  };
  let plots = [];
  const draw = () => {
    plots.forEach((p) => p.destroy());
    plots = [];
    const key = axis.value, keep = Number(smoothing.value);
    const xs = data[key], es = data.evaluations[key];
    const line = (label, stroke, width, extra) => ({ label, stroke, width, spanGaps: true, value: (u, v) => short(v), points: { show: false }, ...extra });
    const make = (id, x, columns, series, logarithmic) => {
      const target = document.getElementById(id);
      const empty = !columns.some((c) => c.some((v) => v !== null));
      target.closest('figure').hidden = empty;
      if (empty) return;
      const ticks = { stroke: color('--soft'), grid: { stroke: color('--line'), width: 1 }, ticks: { stroke: color('--line'), width: 1 } };
      plots.push(new uPlot({
        width: target.clientWidth, height: id === 'loss' ? 340 : 220,
        scales: { x: { time: false }, y: { distr: logarithmic ? 3 : 1 } },
        axes: [{ ...ticks, values: (u, vs) => vs.map(key === 'time' ? clock : short) }, { ...ticks, size: 64, values: (u, vs) => vs.map((v) => v === null ? '' : short(v)) }],
        series: [{ label: key, value: (u, v) => v === null ? '' : key === 'time' ? clock(v) : short(v) }, ...series],
        cursor: { drag: { x: true, y: false } },
      }, [x, ...columns], target));
    };
    const joined = align(xs, es);
    const loss = data.series.loss;
    make('loss', joined.all,
      [joined.place(xs, loss), joined.place(xs, smooth(loss, keep)), joined.place(es, data.evaluations.series.val_loss)],
      [line('training', color('--a') + '55', 1), line('smoothed', color('--a'), 2), line('validation', color('--b'), 2, { points: { show: true, size: 6 } })], log.checked);
    make('bits_per_byte', es, [data.evaluations.series.bits_per_byte], [line('bits per byte', color('--b'), 2, { points: { show: true, size: 6 } })]);
    make('lr', xs, [data.series.lr], [line('learning rate', color('--a'), 2)]);
    for (const id of ['grad_norm', 'tokens_per_second']) {
      make(id, xs, [data.series[id], smooth(data.series[id], keep)], [line('each step', color('--a') + '55', 1), line('smoothed', color('--a'), 2)]);
    }
  };
  document.getElementById('theme').onclick = () => { root.dataset.theme = root.dataset.theme === 'dark' ? 'light' : 'dark'; draw(); };
  axis.onchange = smoothing.oninput = log.onchange = draw;
  let pending;
  addEventListener('resize', () => { clearTimeout(pending); pending = setTimeout(draw, 100); });
  dark.addEventListener('change', (e) => { root.dataset.theme = e.matches ? 'dark' : 'light'; draw(); });
  draw();
  root.dataset.drawn = String(plots.length);
})();
`;
