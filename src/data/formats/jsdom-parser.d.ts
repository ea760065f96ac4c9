/** The small DOM of Readability, which has no types of its own. */
declare module '@mozilla/readability/JSDOMParser.js' {
  /** A node of the tree: 1 is an element, 3 a text. */
  export interface SmallNode {
    readonly nodeType: number;
    /** In lower case; elements only. */
    readonly localName?: string;
    readonly textContent: string;
    readonly childNodes: readonly SmallNode[];
  }

  export default class JSDOMParser {
    /** Parses HTML whose elements are all closed. */
    parse(html: string): Document;
  }
}
