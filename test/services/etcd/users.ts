/** Switches etcd's authentication on. */
import { AuthClient } from "etcd3";
import { ConnectionPool } from "etcd3/lib/connection-pool.js";

/** A user `sai` who may read and write below /t/, and nothing else; root has its own password. */
export async function withUser(url: string): Promise<void> {
  const pool = new ConnectionPool({ hosts: url });
  const auth = new AuthClient(pool);
  for (const [name, role] of [
    ["root", "root"],
    ["sai", "below-t"],
  ] as const) {
    await auth.roleAdd({ name: role });
    await auth.userAdd({ name, password: `${name}-secret` });
    await auth.userGrantRole({ user: name, role });
  }
  const range = { key: Buffer.from("/t/"), range_end: Buffer.from("/t0") };
  await auth.roleGrantPermission({ name: "below-t", perm: { permType: "Readwrite", ...range } });
  await auth.authEnable();
  pool.close();
}
