/**
 * A machine of its own on this one: a network namespace with one cable to the rest, which can be cut in each direction
 * without anybody being told. Needs Linux, root (CAP_NET_ADMIN) and `ip`; says so where it cannot be had.
 */
import { execFileSync } from "node:child_process";

/** From the island to the rest, to the island, or both. */
export type Direction = "out" | "in" | "both";

export interface Island {
  /** What a command line begins with to run there. */
  readonly prefix: readonly string[];
  /** The rest, as the island reaches it. */
  readonly host: string;
  cut(direction: Direction): void;
  heal(): void;
  remove(): void;
}

/** A hardware address that nobody has: frames to it are lost, and nobody is told. */
const NOBODY = "02:00:00:00:00:01";

/** `ip`: the program. Throws where namespaces are refused. */
export function makeIsland(ip: string): Island {
  const name = `sai${process.pid}`;
  const [near, far] = [`${name}h`, `${name}n`];
  const net = `10.77.${process.pid % 256}`;
  const [host, guest] = [`${net}.1`, `${net}.2`];
  const run = (...args: string[]) => execFileSync(ip, args, { stdio: "pipe" });
  const quietly = (...args: string[]) => {
    try {
      run(...args);
    } catch {
      // It is not there.
    }
  };
  const remove = () => {
    quietly("link", "del", near);
    quietly("netns", "del", name);
  };
  // However this process ends: a namespace outlives whoever made it.
  process.once("exit", remove);
  try {
    run("netns", "add", name);
    run("link", "add", near, "type", "veth", "peer", "name", far, "netns", name);
    run("addr", "add", `${host}/30`, "dev", near);
    run("-n", name, "addr", "add", `${guest}/30`, "dev", far);
    run("link", "set", near, "up");
    run("-n", name, "link", "set", far, "up");
    run("-n", name, "link", "set", "lo", "up");
  } catch (error) {
    remove();
    const why = String((error as { stderr?: Buffer }).stderr ?? error).trim();
    throw new Error(`links cannot be cut here: network namespaces need root and CAP_NET_ADMIN (${why})`);
  }
  const lose = (args: readonly string[], to: string, device: string) =>
    run(...args, "neigh", "replace", to, "lladdr", NOBODY, "dev", device, "nud", "permanent");
  return {
    prefix: [ip, "netns", "exec", name],
    ...{ host, remove },
    cut(direction) {
      if (direction !== "out") lose([], guest, near);
      if (direction !== "in") lose(["-n", name], host, far);
    },
    heal() {
      quietly("neigh", "del", guest, "dev", near);
      quietly("-n", name, "neigh", "del", host, "dev", far);
    },
  };
}
