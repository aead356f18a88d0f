/** A client to the coordinator that flags, environment or configuration name, closed when the command is done. */
import { type Client, connect, DEFAULT_CALL_TIMEOUT_MS } from "./client.js";
import { requireConfig } from "./config.js";
import type { Context } from "./context.js";

/** A client for this command's flags. `--timeout` limits single calls only in commands that do not wait. */
export function openClient(context: Context, address?: string): Client {
  const target = address ?? requireConfig(context, false).config.client.address;
  const timeoutMs = context.flags.wait ? undefined : context.flags.timeoutMs;
  return connect({
    address: target,
    signal: context.io.interrupt,
    timeoutMs: timeoutMs ?? DEFAULT_CALL_TIMEOUT_MS,
  });
}

/** Runs `use` with a client and closes it whatever happens. */
export async function withClient<T>(context: Context, use: (client: Client) => Promise<T>): Promise<T> {
  const client = openClient(context);
  try {
    return await use(client);
  } finally {
    client.close();
  }
}
