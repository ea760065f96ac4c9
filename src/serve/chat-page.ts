/** The chat page: one document with its program and style. It can reach this server only. */
import { pageFile, pageFiles, sourceHash } from '../base/page-files.ts';

export interface ChatPage {
  html: string;
  headers: Readonly<Record<string, string>>;
}

/** Throws ERR_FILE_MISSING where the package is not built. */
export function chatPage(): ChatPage {
  const { program, style } = pageFiles('serve');
  // A function as the replacement: a dollar sign of the program is no pattern.
  const html = pageFile('serve', 'page.html')
    .replace('<style></style>', () => `<style>${style}</style>`)
    .replace('<script></script>', () => `<script>${program}</script>`);
  return { html, headers: { 'content-security-policy': policyOf(program, style), ...OTHERS } };
}

const OTHERS = { 'referrer-policy': 'no-referrer', 'cross-origin-opener-policy': 'same-origin' };

/** The browser runs this program and this style, and calls this server. All else is refused. */
function policyOf(program: string, style: string): string {
  return [
    "default-src 'none'",
    `script-src ${sourceHash(program)}`,
    `style-src ${sourceHash(style)}`,
    "connect-src 'self'",
    // The icon, which is in the page.
    'img-src data:',
    "base-uri 'none'",
    "form-action 'none'",
    "frame-ancestors 'none'",
    // Text never becomes markup or code, whatever the program does with it.
    "require-trusted-types-for 'script'",
    "trusted-types 'none'",
  ].join('; ');
}
