/**
 * The page around the sections: one file that opens from disk and can reach nothing outside itself.
 */
import { pageFiles, sourceHash } from '../base/page-files.ts';
import { Html, html, scriptJson } from './html.ts';
import type { PageData } from './page-data.ts';

export interface PageParts {
  title: string;
  subtitle?: string | undefined;
  /** An open page is loaded again after this many seconds. */
  refreshSeconds?: number | undefined;
  /** From top to bottom. */
  sections: readonly (Html | undefined)[];
  data: PageData;
  /** Leaves out when the page was written, so that the same folder has the same page. */
  undated?: boolean;
  /** Remembered in the page as JSON, and read back by `rememberedJson`. */
  remembered?: unknown;
}

/** The whole page as text. Throws ERR_FILE_MISSING where the package is not built. */
export function htmlPage({
  title,
  subtitle,
  refreshSeconds,
  sections,
  data,
  undated,
  remembered,
}: PageParts): string {
  const { program, style } = pageFiles('report');
  // The hash of our own program: the browser runs no other, and loads nothing.
  const policy = `default-src 'none'; style-src 'unsafe-inline'; script-src ${sourceHash(program)}`;
  return html`<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="${policy}">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">${refreshSeconds ? html`<meta http-equiv="refresh" content="${refreshSeconds}">` : undefined}
<title>${title}</title>
<style>${new Html(style)}</style>
</head>
<body>
<header>
<div><p class="brand">Athanor</p><h1>${title}</h1>${subtitle ? html`<p class="subtitle">${subtitle}</p>` : undefined}</div>
<button id="theme" type="button" aria-label="Switch between light and dark" title="Light or dark"><span aria-hidden="true">◐</span></button>
</header>
<main>
${sections}
</main>
<footer>${undated ? undefined : `Written on ${new Date().toISOString().slice(0, 16).replace('T', ' ')} UTC. `}Charts by uPlot (MIT licence).</footer>
<script type="application/json" id="data">${scriptJson(data)}</script>
<script type="application/json" id="remembered">${scriptJson(remembered ?? null)}</script>
<script>${new Html(program)}</script>
</body>
</html>
`.text;
}

/** What `htmlPage` was given as `remembered`; undefined for a text that holds none. */
export function rememberedJson(page: string): unknown {
  // scriptJson leaves no < in its JSON, and every other text of the page has its quotes escaped.
  const [, json] = /<script type="application\/json" id="remembered">([^<]*)</.exec(page) ?? [];
  try {
    return json === undefined ? undefined : JSON.parse(json);
  } catch {
    return undefined;
  }
}
