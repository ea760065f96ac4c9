/** The defaults with what is given in their place; a value that is undefined counts as not given. */
export function withDefaults<T extends object>(defaults: T, given: Partial<T>): T {
  const known = Object.entries(given).filter(([, value]) => value !== undefined);
  return { ...defaults, ...(Object.fromEntries(known) as Partial<T>) };
}
