/** Finding a port: one that was asked for fails when it is taken, an implicit one moves to the next free one. */
import type { Port } from "./config/types.js";
import { errorText, SaiError } from "./errors.js";

const TRIES = 100;

export interface Listening<T> {
  server: T;
  /** The port that was tried last; with port 0 ask the server for the real one. */
  port: number;
  /** True if the wanted port was taken; say so to the user. */
  moved: boolean;
}

/**
 * Calls `listen` with the wanted port and, for an implicit one, with the following ports while they are taken.
 * Throws SaiError("config") naming `key` when the port cannot be had; other errors of `listen` pass through.
 */
export async function listenOn<T>(
  key: string,
  wanted: Port,
  listen: (port: number) => Promise<T>,
): Promise<Listening<T>> {
  const last =
    wanted.explicit || wanted.value === 0 ? wanted.value : Math.min(65_535, wanted.value + TRIES - 1);
  for (let port = wanted.value; ; port++) {
    try {
      return { server: await listen(port), port, moved: port !== wanted.value };
    } catch (cause) {
      if (!isPortTaken(cause)) throw cause;
      if (port < last) continue;
      const range = last === wanted.value ? `port ${last} is` : `ports ${wanted.value} to ${last} are`;
      throw new SaiError("config", `${key}: ${range} in use`, {
        hint: `stop what listens there, or set ${key} to another port (0 takes any free one)`,
        cause,
      });
    }
  }
}

/** Whether an error of Node's sockets or of grpc-js says that the address is in use. */
export function isPortTaken(error: unknown): boolean {
  return (
    (error instanceof Error && "code" in error && error.code === "EADDRINUSE") ||
    /EADDRINUSE/.test(errorText(error))
  );
}
