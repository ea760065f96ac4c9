/** The report's style: system fonts, one accent, room to breathe. Dark follows the system unless the button says other. */

const light = `--page: #f7f7f5; --card: #ffffff; --ink: #1c1e21; --soft: #62676f; --line: #e4e4e0; --grid: #eeeeeb;
  --first: #2563c9; --second: #c2571a; --third: #2b8a57; --fourth: #8a4fbf; --alert: #b3261e; --alert-card: #fdf3f2;`;
const dark = `--page: #131518; --card: #1b1e22; --ink: #e7e8ea; --soft: #9aa1aa; --line: #2d3238; --grid: #262a2f;
  --first: #74a9ff; --second: #f0a062; --third: #6cc797; --fourth: #c79bf0; --alert: #f2b8b5; --alert-card: #2b1f20;`;

export const pageStyle = `
:root { color-scheme: light; ${light} }
@media (prefers-color-scheme: dark) { :root { color-scheme: dark; ${dark} } }
:root[data-theme=light] { color-scheme: light; ${light} }
:root[data-theme=dark] { color-scheme: dark; ${dark} }
* { box-sizing: border-box; }
body { margin: 0; background: var(--page); color: var(--ink); font: 15px/1.55 system-ui, -apple-system, "Segoe UI", Roboto, sans-serif; }
header, main, footer { max-width: 1200px; margin: 0 auto; padding: 0 28px; }
header { display: flex; align-items: flex-start; justify-content: space-between; gap: 20px; padding-top: 36px; }
.brand { margin: 0 0 6px; font-size: 12px; letter-spacing: .14em; text-transform: uppercase; color: var(--soft); }
h1 { font-size: 26px; line-height: 1.25; font-weight: 650; letter-spacing: -.01em; margin: 0; overflow-wrap: anywhere; }
h2 { font-size: 18px; font-weight: 650; margin: 52px 0 14px; }
h3 { font-size: 13px; font-weight: 600; color: var(--soft); margin: 0; }
.subtitle { margin: 6px 0 0; color: var(--soft); overflow-wrap: anywhere; }
.hint, .empty, footer { color: var(--soft); font-size: 13px; }
.unseen { position: absolute; width: 1px; height: 1px; margin: -1px; padding: 0; border: 0; overflow: hidden; clip-path: inset(50%); white-space: nowrap; }
button, .segments, input { font: inherit; }
button { color: var(--ink); background: var(--card); border: 1px solid var(--line); border-radius: 8px; padding: 5px 12px; cursor: pointer; }
button:hover:not(:disabled) { border-color: var(--soft); }
button:disabled { opacity: .45; cursor: default; }
#theme { font-size: 18px; line-height: 1; padding: 8px 11px; }
:focus-visible { outline: 2px solid var(--first); outline-offset: 2px; }

.cards { display: grid; grid-template-columns: repeat(var(--across), minmax(0, 1fr)); gap: 14px; margin: 30px 0 0; }
.card { background: var(--card); border: 1px solid var(--line); border-radius: 12px; padding: 16px 18px 14px; min-width: 0; }
.card dt { font-size: 13px; color: var(--soft); }
.card dd { margin: 2px 0 0; font-size: 25px; line-height: 1.25; font-weight: 620; letter-spacing: -.01em; font-variant-numeric: tabular-nums; overflow-wrap: anywhere; }
.card dd.hint { font-size: 12.5px; font-weight: 400; letter-spacing: 0; line-height: 1.4; margin-top: 4px; }

.events { margin-top: 18px; background: var(--alert-card); border: 1px solid var(--line); border-left: 3px solid var(--alert); border-radius: 8px; padding: 10px 16px; font-size: 14px; }
.events summary { font-weight: 600; cursor: pointer; }
.events ul { margin: 8px 0 4px; padding-left: 20px; }
.events li { overflow-wrap: anywhere; }

.toolbar { position: sticky; top: 0; z-index: 5; display: flex; flex-wrap: wrap; gap: 10px 22px; align-items: center; padding: 10px 0; margin-bottom: 6px; background: var(--page); }
.toolbar label { display: flex; gap: 8px; align-items: center; }
.segments { display: inline-flex; border: 1px solid var(--line); border-radius: 8px; padding: 2px; margin: 0; background: var(--card); min-width: 0; }
.segments input { position: absolute; opacity: 0; pointer-events: none; }
.segments span { padding: 3px 12px; border-radius: 6px; cursor: pointer; color: var(--soft); }
.segments input:checked + span { background: var(--first); color: var(--card); }
.segments input:focus-visible + span { outline: 2px solid var(--first); outline-offset: 3px; }
.toolbar input { accent-color: var(--first); margin: 0; }
.slider input { width: 110px; }
.slider output { min-width: 2.4em; font-variant-numeric: tabular-nums; color: var(--soft); }
.charts { display: grid; grid-template-columns: repeat(2, minmax(0, 1fr)); gap: 16px; }
figure { margin: 0; background: var(--card); border: 1px solid var(--line); border-radius: 12px; padding: 16px 16px 10px; min-width: 0; }
figure.wide { grid-column: 1 / -1; }
figcaption { font-weight: 600; }
figcaption small { font-size: 13px; font-weight: 400; color: var(--soft); margin-left: 4px; }
.chart { border-radius: 6px; min-height: 200px; }
.plot { display: block; width: 100%; height: auto; }
.plot text { font-size: 12px; fill: var(--soft); font-variant-numeric: tabular-nums; }
.keys { margin: 2px 0 6px; font-size: 12.5px; color: var(--soft); }
.key { margin-right: 18px; }
.key i { display: inline-block; width: 12px; height: 3px; border-radius: 2px; margin-right: 6px; vertical-align: middle; }
.uplot { display: flex; flex-direction: column; width: 100%; font: inherit; }
.uplot .u-legend { order: -1; margin: 2px 0 6px; text-align: left; font-size: 12.5px; color: var(--soft); border-collapse: collapse; }
.uplot .u-legend tr { margin-right: 18px; }
.uplot .u-legend th { font-weight: 400; }
.uplot .u-legend tr:first-child .u-marker { display: none; }
.uplot .u-legend th, .uplot .u-legend td { padding: 0 4px 0 0; }
.uplot .u-legend .u-marker { width: 12px; height: 3px; border-radius: 2px; margin-right: 6px; }
.uplot .u-legend .u-value { color: var(--ink); font-variant-numeric: tabular-nums; min-width: 3.6em; }
.uplot .u-select { background: var(--first); opacity: .14; }
.uplot.u-hz .u-cursor-x { border-right: 1px solid var(--soft); opacity: .5; }

table { border-collapse: collapse; width: 100%; font-size: 14px; }
.scroll { overflow-x: auto; background: var(--card); border: 1px solid var(--line); border-radius: 12px; padding: 6px 0; }
.scroll th, .scroll td { text-align: left; vertical-align: top; padding: 8px 18px; border-bottom: 1px solid var(--line); }
.scroll th { font-weight: 600; color: var(--soft); font-size: 13px; }
.scroll tbody tr:last-child td { border-bottom: 0; }
.scroll td { white-space: pre-wrap; overflow-wrap: anywhere; unicode-bidi: isolate; }
.scroll td.number { text-align: right; font-variant-numeric: tabular-nums; }

.samples { list-style: none; margin: 0; padding: 0; }
.samples li { display: grid; grid-template-columns: 120px minmax(0, 1fr); gap: 20px; padding: 14px 0; border-top: 1px solid var(--line); }
.samples h3 { padding-top: 3px; font-variant-numeric: tabular-nums; }
.sample { margin: 0 0 10px; font: 16px/1.6 Georgia, "Times New Roman", serif; white-space: pre-wrap; overflow-wrap: anywhere; unicode-bidi: isolate; }
.sample:last-child { margin-bottom: 0; }
.sample b { font-weight: 600; color: var(--first); }
main details > summary { cursor: pointer; }
section > details > summary { padding: 12px 0; border-top: 1px solid var(--line); color: var(--soft); }
.note { max-width: 72ch; white-space: pre-wrap; overflow-wrap: anywhere; }

.columns { display: grid; grid-template-columns: repeat(2, minmax(0, 1fr)); gap: 0 48px; }
.pairs { margin: 0; font-size: 14px; }
.pairs div { display: grid; grid-template-columns: 150px minmax(0, 1fr); gap: 14px; padding: 7px 0; border-top: 1px solid var(--line); }
.pairs dt { color: var(--soft); }
.pairs dd { margin: 0; overflow-wrap: anywhere; }
footer { margin-top: 60px; padding-bottom: 36px; }

@media (max-width: 980px) { .cards { grid-template-columns: repeat(4, minmax(0, 1fr)); } }
@media (max-width: 820px) {
  .charts, .columns { grid-template-columns: minmax(0, 1fr); }
}
@media (max-width: 560px) {
  header, main, footer { padding-left: 16px; padding-right: 16px; }
  header { padding-top: 24px; }
  h1 { font-size: 21px; }
  h2 { margin-top: 40px; }
  .cards { grid-template-columns: repeat(2, minmax(0, 1fr)); gap: 10px; }
  .card { padding: 12px 14px; }
  .card dd { font-size: 21px; }
  .toolbar { position: static; }
  figure { padding: 14px 10px 8px; }
  .samples li { grid-template-columns: minmax(0, 1fr); gap: 6px; }
  .pairs div { grid-template-columns: 110px minmax(0, 1fr); }
}
@media (hover: none) { .toolbar .hint { display: none; } }
@media print {
  body { font-size: 12px; background: none; }
  #theme, .toolbar { display: none; }
  .charts { grid-template-columns: minmax(0, 1fr); }
  .cards { grid-template-columns: repeat(4, 1fr); }
  figure, .card, .samples li, .pairs div { break-inside: avoid; }
  h2, h3 { break-after: avoid; }
}
`;
