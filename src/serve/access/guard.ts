/**
 * The one check before anything else: a request that it does not let through reaches no route. It
 * asks for a key, and keeps web pages of others away from a server on this machine.
 */
import { ApiError } from '../protocol/api-error.ts';
import type { ApiKeys } from './keys.ts';

export interface GuardOptions {
  /** Undefined: no key is asked for, which only a server on loopback may do. */
  keys: ApiKeys | undefined;
  /** The keys of paths under /admin, which no other key opens. Undefined: no such path answers. */
  adminKeys: ApiKeys | undefined;
  /** Whether the server listens on loopback only. */
  isLoopback: boolean;
  /** More names that the Host header may have on loopback. */
  allowedHosts: readonly string[];
}

/** The chat page: the same for everybody, and without a word of anyone's. */
const PAGE_PATH = '/';
/** Paths that need no key. */
const PUBLIC_PATHS = ['/health', PAGE_PATH];
const LOOPBACK_NAMES = ['localhost', '127.0.0.1', '[::1]'];

/** Who sends a request. */
export interface Client {
  /** The name of the key; undefined without keys. */
  name: string | undefined;
  /** Whether it is a key of the admin key file. */
  isAdmin: boolean;
}

export class Guard {
  readonly #options: GuardOptions;

  constructor(options: GuardOptions) {
    this.#options = options;
  }

  /**
   * Throws ApiError of status 401 or 403.
   * @param path as the router sees it: with another spelling a path could pass as a public one
   */
  check(path: string, header: (name: string) => string | undefined): Client {
    this.#checkHost(header('host'));
    // A link in another page may open the chat page, as a document of its own.
    const isOpened = path === PAGE_PATH && header('sec-fetch-dest') === 'document';
    if (!isOpened) this.#checkOrigin(header('origin'), header('host'), header('sec-fetch-site'));
    const adminKeys = isAdminPath(path) ? this.#options.adminKeys : undefined;
    const isAdmin = adminKeys !== undefined;
    const keys = adminKeys ?? this.#options.keys;
    if (!keys || PUBLIC_PATHS.includes(path)) return { name: undefined, isAdmin };
    const given = /^Bearer +(.+)$/i.exec(header('authorization') ?? '')?.[1] ?? header('x-api-key');
    const name = given === undefined ? undefined : keys.nameOf(given.trim());
    if (name !== undefined) return { name, isAdmin };
    const kind = isAdmin ? 'admin key' : 'API key';
    const problem =
      given === undefined
        ? `this ${isAdmin ? 'path' : 'server'} needs an ${kind}`
        : `the ${kind} is not valid`;
    throw new ApiError(401, 'invalid_api_key', `${problem}: send it as "Authorization: Bearer KEY"`);
  }

  /** A page whose name was pointed at 127.0.0.1 (DNS rebinding) still sends its own name. */
  #checkHost(host: string | undefined): void {
    const { isLoopback, allowedHosts } = this.#options;
    if (!isLoopback) return;
    const name = (host ?? '').toLowerCase().replace(/:\d+$/, '');
    if (LOOPBACK_NAMES.includes(name) || allowedHosts.some((allowed) => allowed.toLowerCase() === name))
      return;
    throw new ApiError(403, 'host_not_allowed', 'this server does not answer to the name in the Host header');
  }

  /** Pages of other origins may not use the server. There are no CORS headers either. */
  #checkOrigin(origin: string | undefined, host: string | undefined, site: string | undefined): void {
    const isOwn = origin === undefined || origin.replace(/^https?:\/\//, '') === host;
    if (isOwn && site !== 'cross-site') return;
    throw new ApiError(403, 'origin_not_allowed', 'this server does not answer to pages of other origins');
  }
}

/** Whether a path is one of administrators. */
export function isAdminPath(path: string): boolean {
  return path === '/admin' || path.startsWith('/admin/');
}

/** Whether an address is of this machine only. */
export function isLoopbackAddress(host: string): boolean {
  return host === 'localhost' || host === '::1' || /^127(\.\d{1,3}){3}$/.test(host);
}
