/** The current etcd, from its Go module. */
import { goProgram } from "../../support/outside.js";

export const ETCD_VERSION = "v3.6.16";

/** Path of the server; built on the first call, which `say` is told. */
export const etcdProgram = (say: (line: string) => void): Promise<string> =>
  goProgram({ package: "go.etcd.io/etcd/server/v3", name: "etcd", version: ETCD_VERSION }, say);
