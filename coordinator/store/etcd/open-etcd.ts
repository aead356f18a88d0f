/** The etcd store as the configuration says, and what can be known of it before. */
import { readFile } from "node:fs/promises";
import type { Clock } from "../../../shared/runtime/clock.js";
import type { Config } from "../../../shared/runtime/config.js";
import { errorText, SaiError } from "../../../shared/runtime/errors.js";
import type { Random } from "../../../shared/runtime/random.js";
import { EtcdStore } from "./etcd-store.js";

type StoreConfig = Config["store"];

/** Sends nothing yet. Throws SaiError `config` naming the PEM file that cannot be read. */
export async function openEtcdStore(
  config: StoreConfig,
  { clock, random }: { clock: Clock; random: Random },
): Promise<EtcdStore> {
  const { endpoints, user, password, caFile, certFile, keyFile, quotaBytes } = config;
  const [ca, cert, key] = await Promise.all([
    pem("ca_file", caFile),
    pem("cert_file", certFile),
    pem("key_file", keyFile),
  ]);
  return new EtcdStore({
    ...{ endpoints, clock, quotaBytes },
    ...(user !== undefined && password !== undefined && { user: { name: user, password } }),
    ...((ca || cert) && { tls: { ...(ca && { ca }), ...(cert && { cert }), ...(key && { key }) } }),
    first: Math.floor(random.next() * endpoints.length),
  });
}

async function pem(leaf: string, path: string | undefined): Promise<Buffer | undefined> {
  if (path === undefined) return undefined;
  try {
    return await readFile(path);
  } catch (cause) {
    throw new SaiError("config", `store.${leaf} cannot be read: ${errorText(cause)}`, {
      hint: "name a PEM file that this user may read",
      cause,
    });
  }
}

/** What etcd says when it is asked; throws StoreError when it does not answer, or lets this user in not. */
export async function probeEtcd(
  config: StoreConfig,
  parts: { clock: Clock; random: Random },
): Promise<{ usedBytes: number; endpoints: readonly string[] }> {
  const store = await openEtcdStore(config, parts);
  try {
    await store.get("/sai/v1/cluster");
    return { usedBytes: (await store.usage()).usedBytes, endpoints: config.endpoints };
  } finally {
    await store.close();
  }
}
