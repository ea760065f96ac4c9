/** The defaults, overridden by the given values. An undefined value counts as not given. */
export function withDefaults<T extends object>(defaults: T, given: Partial<T>): T {
  const known = Object.entries(given).filter(([, value]) => value !== undefined);
  return { ...defaults, ...(Object.fromEntries(known) as Partial<T>) };
}
