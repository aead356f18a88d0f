/** What `sai doctor` says of the state store: whose its folder is and how much room there is, or whether etcd answers. */
import type { Config } from "../../shared/runtime/config.js";
import { errorText } from "../../shared/runtime/errors.js";
import { formatBytes } from "../output/quantity.js";
import { time } from "../output/words.js";
import type { Check } from "./check.js";

const LITTLE_DISK_BYTES = 256 * 1024 ** 2;

export async function checkStore(config: Pick<Config, "store">): Promise<Check> {
  const name = "state store";
  const { probeStore } = await import("../../coordinator/coordinator.js");
  try {
    const found = await probeStore(config);
    if (found.kind === "memory")
      return { name, result: "warn", detail: "in memory: a coordinator that ends forgets its campaigns" };
    if (found.kind === "etcd") {
      const where = `etcd at ${found.endpoints.join(", ")}`;
      return { name, result: "ok", detail: `${where} answers, ${formatBytes(found.usedBytes)} used` };
    }
    const room = `${formatBytes(found.freeBytes)} free`;
    const result = found.freeBytes < LITTLE_DISK_BYTES ? "warn" : "ok";
    if (found.kind === "new") return { name, result, detail: `${found.folder} would be made, ${room}` };
    const size = `${found.folder}, ${formatBytes(found.bytes)} on disk, ${room}`;
    const { owner } = found;
    if (owner === undefined) return { name, result, detail: `${size}; nobody has it open` };
    const since = time(new Date(owner.sinceMs));
    const who = `process ${owner.pid} on ${owner.host} has it open since ${since}`;
    return { name, result, detail: `${size}; ${who}, so another coordinator on it would end with exit 78` };
  } catch (error) {
    return { name, result: "fail", detail: errorText(error) };
  }
}
