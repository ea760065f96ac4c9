/** A template that cannot be read, or that failed while it rendered. */
export class TemplateError extends Error {
  /** Of the template's source, from 1. */
  line: number | undefined;

  constructor(message: string, line?: number, options?: ErrorOptions) {
    super(message, options);
    this.name = 'TemplateError';
    this.line = line;
  }
}

/** What a template itself raises, with raise_exception. */
export class RaisedError extends TemplateError {}

/** A template that asks for more than its budget. */
export class BudgetError extends TemplateError {
  constructor(message: string, options?: ErrorOptions) {
    super(message, undefined, options);
    this.name = 'BudgetError';
  }
}

/** A message with the line. What a template said itself stands alone. */
export function located(error: TemplateError): string {
  const isPlace = error.line !== undefined && !(error instanceof RaisedError);
  return isPlace ? `${error.message} (line ${error.line})` : error.message;
}
