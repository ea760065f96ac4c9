/**
 * What runs in the browser: draws the charts that the page's data lists and works the controls. Plain text, so that
 * nothing needs a bundler; test/report opens it in Chromium.
 */
export const pageScript = String.raw`
'use strict';
(() => {
  const root = document.documentElement;
  const byId = (id) => document.getElementById(id);
  const data = JSON.parse(byId('data').textContent);
  const systemDark = matchMedia('(prefers-color-scheme: dark)');
  const palette = ['--first', '--second', '--third', '--fourth'];
  const color = (name) => getComputedStyle(root).getPropertyValue(name).trim();
  const faded = (name) => color(name) + '4d';
  const last = (values) => values[values.length - 1];

  const trimmed = (text) => text.replace(/\.?0+$/, '');
  const shortNumber = (v) => {
    const a = Math.abs(v);
    if (a !== 0 && (a < 1e-3 || a >= 1e15)) return v.toExponential(2).replace(/\.?0+e/, 'e');
    for (const [size, unit] of [[1e12, 'T'], [1e9, 'B'], [1e6, 'M'], [1e4, 'k']]) {
      if (a >= size) return trimmed((v / (size === 1e4 ? 1e3 : size)).toFixed(2)) + unit;
    }
    return a >= 1000 ? Math.round(v).toLocaleString('en') : String(Number(v.toPrecision(4)));
  };
  const clock = (s) => {
    const whole = Math.round(s);
    const two = (n) => String(n).padStart(2, '0');
    if (s < 60) return trimmed(s.toFixed(1)) + ' s';
    if (whole < 3600) return Math.floor(whole / 60) + ':' + two(whole % 60) + ' min';
    return Math.floor(whole / 3600) + ':' + two(Math.floor((whole % 3600) / 60)) + ' h';
  };

  // Each point counts 'keep' times as much as its neighbour on the side of the point that is smoothed. Looking both ways,
  // the course does not trail behind a falling loss; at the end it only looks back.
  const smoothed = (values, keep) => {
    const pass = (order) => {
      let sum = 0, weight = 0;
      const out = new Array(values.length);
      for (const i of order) {
        const known = values[i] !== null;
        sum = keep * sum + (known ? values[i] : 0);
        weight = keep * weight + (known ? 1 : 0);
        out[i] = [sum, weight];
      }
      return out;
    };
    const forward = pass(values.keys());
    const backward = pass([...values.keys()].reverse());
    return values.map((v, i) => (v === null ? null : (forward[i][0] + backward[i][0] - v) / (forward[i][1] + backward[i][1] - 1)));
  };

  let axis = 'step';
  let zoom = null;
  let plots = [];

  const domain = () => {
    let low = Infinity, high = -Infinity;
    for (const { x } of [data.step, data.evaluation]) {
      const xs = x[axis] || [];
      if (xs.length > 0) { low = Math.min(low, xs[0]); high = Math.max(high, last(xs)); }
    }
    return low < high ? [low, high] : [low - 1, low + 1];
  };

  const setZoom = (range) => {
    zoom = range;
    byId('reset').disabled = zoom === null;
    const [min, max] = zoom || domain();
    for (const plot of plots) plot.setScale('x', { min, max });
  };

  const xOfStep = (step) => {
    const steps = data.step.x.step, xs = data.step.x[axis];
    if (!xs) return null;
    let i = steps.findIndex((s) => s >= step);
    return xs[i < 0 ? xs.length - 1 : i];
  };

  const drawMarks = (plot) => {
    const { ctx, bbox } = plot;
    ctx.save();
    for (const { step, kind } of data.marks) {
      const at = xOfStep(step);
      if (at === null || at < plot.scales.x.min || at > plot.scales.x.max) continue;
      const x = Math.round(plot.valToPos(at, 'x', true)), r = 4 * devicePixelRatio;
      ctx.fillStyle = color(kind === 'warning' ? '--alert' : '--third');
      ctx.beginPath();
      ctx.moveTo(x - r, bbox.top);
      ctx.lineTo(x + r, bbox.top);
      ctx.lineTo(x, bbox.top + 1.6 * r);
      ctx.fill();
    }
    ctx.restore();
  };

  // Ticks at even ratios: powers of ten alone would leave a loss between 2 and 9 without any.
  const logTicks = (min, max) => {
    const count = 6, ticks = new Set();
    for (let i = 0; i <= count; i++) ticks.add(Number((min * (max / min) ** (i / count)).toPrecision(2)));
    return [...ticks].filter((v) => v >= min && v <= max);
  };

  // The lowest and highest value in view, with the neighbours outside of it that lines run to.
  const extent = (plot) => {
    const [from, to] = plot.series[0].idxs || [0, plot.data[0].length - 1];
    let low = Infinity, high = -Infinity;
    plot.data.slice(1).forEach((values, n) => {
      if (!plot.series[n + 1].show) return;
      const known = (i) => values[i] !== null && values[i] !== undefined;
      let first = from - 1, end = to + 1;
      while (first > 0 && !known(first)) first--;
      while (end < values.length - 1 && !known(end)) end++;
      for (let i = Math.max(0, first); i <= Math.min(end, values.length - 1); i++) {
        if (known(i)) { low = Math.min(low, values[i]); high = Math.max(high, values[i]); }
      }
    });
    return low <= high ? [low, high] : [0, 1];
  };

  // Each line of a chart as one or two series: what was measured, faint, and its smoothed course over it.
  const tablesOf = (spec, keep) => {
    const tables = [], series = [];
    spec.lines.forEach((line, n) => {
      // A chart of validation alone keeps the colour that validation has beside training.
      const tint = palette[(n + (spec.lines.length === 1 && line.from === 'evaluation' ? 1 : 0)) % palette.length];
      const source = data[line.from];
      const xs = source.x[axis];
      if (!xs) return;
      const values = source.y[line.field];
      const course = line.from === 'step' && !line.smooth && keep > 0;
      const dots = line.from === 'evaluation' && xs.length <= 80;
      tables.push([xs, values]);
      series.push({ label: course ? line.label + ', each step' : line.label, stroke: course ? faded(tint) : color(tint),
        width: course ? 1 : 2, points: { show: dots || xs.length === 1, size: 6, fill: color(tint) } });
      if (!course) return;
      const base = data.mean || source;
      tables.push([base.x[axis], smoothed(base.y[line.field], keep)]);
      series.push({ label: line.label, stroke: color(tint), width: 2, points: { show: false } });
    });
    return { tables, series };
  };

  const format = (v) => (v === null || v === undefined ? '' : axis === 'time' ? clock(v) : axis === 'tokens' ? shortNumber(v) : v.toLocaleString('en', { maximumFractionDigits: 0 }));
  const heightOf = (spec, width) => (spec.wide ? Math.max(240, Math.min(380, width * 0.36)) : 220);

  const make = (spec) => {
    const target = byId('chart-' + spec.id);
    const { tables, series } = tablesOf(spec, Number(byId('smoothing').value));
    target.closest('figure').hidden = tables.length === 0;
    if (tables.length === 0) return;
    const logarithmic = Boolean(spec.logarithmic && byId('log') && byId('log').checked);
    const line = { stroke: color('--soft'), font: '12px system-ui, sans-serif', grid: { stroke: color('--grid'), width: 1 }, ticks: { show: false } };
    const lastOf = (plot, i) => { const known = plot.data[i].filter((v) => v !== null && v !== undefined); return known.length ? shortNumber(last(known)) : '–'; };
    const width = target.clientWidth;
    const plot = new uPlot({
      width, height: heightOf(spec, width),
      padding: [12, 26, 0, 0],
      scales: {
        x: { time: false, range: () => zoom || domain() },
        y: logarithmic ? { distr: 3, range: (u) => { const [min, max] = extent(u); return min > 0 ? [min / 1.04, max * 1.04] : [0.1, 1]; } }
          : { range: (u) => uPlot.rangeNum(...extent(u), 0.1, true) },
      },
      axes: [
        { ...line, grid: { show: false }, space: 80, size: 32, values: (u, vs) => vs.map(format) },
        { ...line, size: 58, values: (u, vs) => vs.map((v) => (v === null ? '' : shortNumber(v))),
          ...(logarithmic && { splits: (u, i, min, max) => logTicks(min, max), filter: (u, vs) => vs }) },
      ],
      series: [
        { label: axis === 'time' ? 'time' : axis, value: (u, v, i, at) => (at === null || at === undefined ? format(last(u.data[0])) : format(v)) },
        ...series.map((one) => ({ spanGaps: false, value: (u, v, i, at) => (at === null || at === undefined ? lastOf(u, i) : v === null || v === undefined ? '–' : shortNumber(v)), ...one })),
      ],
      cursor: {
        y: false,
        points: { size: 7 },
        drag: { x: true, y: false, setScale: false },
        sync: { key: 'run', scales: ['x', null], setSeries: false, filters: { pub: (type) => type === 'mousemove' || type === 'mouseleave' } },
        bind: { dblclick: () => () => setZoom(null) },
      },
      hooks: {
        draw: [drawMarks],
        setScale: [(u, key) => { if (key === 'x') target.dataset.range = u.scales.x.min + ' ' + u.scales.x.max; }],
        setSelect: [(u) => {
          const { left, width: wide } = u.select;
          if (wide < 6) return;
          const range = [u.posToVal(left, 'x'), u.posToVal(left + wide, 'x')];
          u.setSelect({ left: 0, width: 0, top: 0, height: 0 }, false);
          setZoom(range);
        }],
      },
    }, uPlot.join(tables), target);
    plot.spec = spec;
    plots.push(plot);
  };

  const drawAll = () => {
    for (const plot of plots) plot.destroy();
    plots = [];
    const value = byId('smoothing') ? Number(byId('smoothing').value) : 0;
    if (byId('smoothing-value')) byId('smoothing-value').textContent = value === 0 ? 'off' : value.toFixed(2);
    data.charts.forEach(make);
    root.dataset.charts = String(plots.length);
  };

  // Keyboard: the arrows move the cursor from point to point, and a reader is told the values there.
  const onKey = (event) => {
    const plot = plots.find((one) => one.root.parentElement === event.currentTarget);
    if (!plot) return;
    const { min, max } = plot.scales.x;
    const xs = plot.data[0];
    const first = xs.findIndex((x) => x >= min), end = xs.findLastIndex((x) => x <= max);
    const idx = plot.cursor.idx === null || plot.cursor.idx === undefined ? end : plot.cursor.idx;
    const stride = Math.max(1, Math.round((end - first) / (event.shiftKey ? 10 : 100)));
    const moves = { ArrowLeft: idx - stride, ArrowRight: idx + stride, Home: first, End: end };
    if (event.key in moves) {
      const at = Math.min(end, Math.max(first, moves[event.key]));
      plot.setCursor({ left: plot.valToPos(xs[at], 'x'), top: plot.over.clientHeight / 2 });
      byId('announce').textContent = plot.series.map((s, i) => s.label + ' ' + s.value(plot, plot.data[i][plot.cursor.idxs[i]], i, at)).join(', ');
    } else if (event.key === '+' || event.key === '=' || event.key === '-') {
      const [low, high] = domain();
      const factor = event.key === '-' ? 2 : 0.5;
      const centre = plot.cursor.idx === null || plot.cursor.idx === undefined ? (min + max) / 2 : xs[idx];
      const range = [Math.max(low, centre - (centre - min) * factor), Math.min(high, centre + (max - centre) * factor)];
      setZoom(range[0] <= low && range[1] >= high ? null : range);
    } else if (event.key === 'Escape') setZoom(null);
    else return;
    event.preventDefault();
  };

  const fit = (width) => { for (const plot of plots) { const wide = width || plot.root.parentElement.clientWidth; plot.setSize({ width: wide, height: heightOf(plot.spec, wide) }); } };
  const toggle = () => {
    const now = root.dataset.theme || (systemDark.matches ? 'dark' : 'light');
    root.dataset.theme = now === 'dark' ? 'light' : 'dark';
    drawAll();
  };
  byId('theme').addEventListener('click', toggle);
  systemDark.addEventListener('change', () => { if (!root.dataset.theme) drawAll(); });

  if (data.charts.length > 0) {
    for (const id of ['smoothing', 'log']) byId(id)?.addEventListener('input', drawAll);
    for (const input of document.getElementsByName('axis')) {
      input.addEventListener('change', () => { axis = input.value; zoom = null; byId('reset').disabled = true; drawAll(); });
    }
    byId('reset').addEventListener('click', () => setZoom(null));
    for (const spec of data.charts) byId('chart-' + spec.id).addEventListener('keydown', onKey);
    let waiting = 0;
    new ResizeObserver(() => { cancelAnimationFrame(waiting); waiting = requestAnimationFrame(() => fit()); }).observe(document.querySelector('.charts'));
    drawAll();
  }

  // On paper: light and as wide as the page.
  let before;
  addEventListener('beforeprint', () => {
    before = root.dataset.theme;
    root.dataset.theme = 'light';
    drawAll();
    fit(640);
  });
  addEventListener('afterprint', () => {
    if (before) root.dataset.theme = before;
    else delete root.dataset.theme;
    drawAll();
  });
})();
`;
