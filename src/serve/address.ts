/** The address that a server listens on. */
import { createServer, type Server } from 'node:net';
import { AthanorError } from '../base/errors.ts';

export interface Address {
  host: string;
  port: number;
}

/** Listens. Throws ERR_IO when the address cannot be used. */
export async function listenOn(server: Server, { host, port }: Address): Promise<void> {
  await new Promise<void>((resolve, reject) => {
    server.once('error', (error: NodeJS.ErrnoException) => {
      const reason = error.code === 'EADDRINUSE' ? 'another program listens there' : error.message;
      const remedy = 'choose another `port` or `host`';
      reject(new AthanorError('ERR_IO', `cannot listen on ${host} port ${port}: ${reason}`, remedy));
    });
    server.listen(port, host, resolve);
  });
}

/** Throws ERR_IO for an address that cannot be used, before a model is loaded in vain. */
export async function checkAddress(address: Address): Promise<void> {
  const probe = createServer();
  await listenOn(probe, address);
  await new Promise((resolve) => probe.close(resolve));
}
