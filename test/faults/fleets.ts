/** The worlds that faults happen in, at the program's own timers unless said. */
import { existsSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { WorldOptions } from "../kills/world.js";
import { etcdProgram } from "../services/etcd/programs.js";
import { type Island, makeIsland } from "../support/island.js";
import { debianProgram } from "../support/outside.js";
import { clockFile, faketimePath } from "./scenarios/agents.js";
import { badPartsOf } from "./scenarios/bad-parts.js";
import { LINK_TIMERS, type Links } from "./scenarios/links.js";

export const COORDINATORS = ["c1", "c2", "c3"];
export const AGENTS = Array.from({ length: 10 }, (_, i) => `a${i + 1}`);

export interface Fleets {
  /** Ten agents of two slots and an exclusive device, three coordinators whose writes are recorded. */
  fleet: () => WorldOptions;
  /** The same with timers so short that agents hang up on a leader that stands still before it goes on. */
  quick: () => WorldOptions;
  /** Four agents and two coordinators on three members of etcd. */
  etcds: () => WorldOptions;
  /** Four agents and two coordinators on machines whose parts can turn bad. */
  machines: () => WorldOptions;
  /** Where the files are that say which parts are. */
  badParts: () => string;
  /** One agent and two coordinators. */
  small: () => WorldOptions;
  /** Where the processes of `etcds` read how wrong their clocks are. */
  clocks: () => string;
  /** Three agents, one of them on an island, with short timers. */
  links: Links;
  programs: { etcd: string; strace: string };
}

/** Gets the programs they need; fails where they cannot be had. */
export async function fleets(): Promise<Fleets> {
  const program = await etcdProgram(console.error);
  const strace = await debianProgram({ program: "/usr/bin/strace", package: "strace" }, console.error);
  const ip = await debianProgram({ program: "/sbin/ip", package: "iproute2" }, console.error);
  const faketime = await debianProgram({ program: faketimePath(), package: "libfaketime" }, console.error);
  let clocks = "";
  let badParts = "";
  const fleet = (): WorldOptions => ({
    ...{ agents: AGENTS, slots: SLOTS, coordinators: COORDINATORS, settings: {}, testDevice: true },
    ...{ etcd: { program }, tapped: true, lookEveryMs: 20 },
  });
  return {
    fleet,
    quick: () => ({ ...fleet(), settings: { SAI_COORDINATOR_HEARTBEAT_INTERVAL_MS: "1000" } }),
    etcds: () => {
      const folder = mkdtempSync(join(tmpdir(), "sai-clocks-"));
      clocks = folder;
      return {
        ...{ agents: AGENTS.slice(0, 4), slots: SLOTS, coordinators: COORDINATORS.slice(0, 2) },
        ...{ settings: {}, testDevice: true, etcd: { program, members: 3 }, lookEveryMs: 10 },
        settingsOf(name: string) {
          const path = clockFile(folder, name);
          if (!existsSync(path)) writeFileSync(path, "+0");
          return {
            ...{ LD_PRELOAD: faketime, FAKETIME_TIMESTAMP_FILE: path, FAKETIME_CACHE_DURATION: "1" },
            FAKETIME_DONT_FAKE_MONOTONIC: "1",
          };
        },
        removed: () => rmSync(folder, { recursive: true, force: true }),
      };
    },
    clocks: () => clocks,
    machines: () => {
      const folder = mkdtempSync(join(tmpdir(), "sai-bad-parts-"));
      badParts = folder;
      return {
        ...{ agents: AGENTS.slice(0, 4), slots: SLOTS, coordinators: COORDINATORS.slice(0, 2) },
        ...{ settings: {}, etcd: { program }, lookEveryMs: 10 },
        settingsOf: (name: string) => badPartsOf(folder, name),
        removed: () => rmSync(folder, { recursive: true, force: true }),
      };
    },
    badParts: () => badParts,
    small: () => ({
      ...{ agents: ["a1"], slots: SLOTS, coordinators: COORDINATORS.slice(0, 2), settings: {} },
      ...{ etcd: { program } },
    }),
    links: links(program, ip),
    programs: { etcd: program, strace },
  };
}

function links(program: string, ip: string): Links {
  let island: Island | undefined;
  const agent = "a3";
  return {
    agent,
    island: () => island as Island,
    world() {
      const made = makeIsland(ip);
      island = made;
      const { host } = made;
      return {
        ...{ agents: AGENTS.slice(0, 3), slots: SLOTS, coordinators: COORDINATORS.slice(0, 1), host },
        settings: {
          ...LINK_TIMERS,
          ...{ SAI_COORDINATOR_HOST: "0.0.0.0", SAI_COORDINATOR_ADVERTISE_HOST: host },
          SAI_SECURITY_INSECURE_NETWORK: "true",
        },
        ...{ testDevice: true, etcd: { program }, lookEveryMs: 10, removed: () => made.remove() },
        prefixOf: (name: string) => (name === agent ? made.prefix : undefined),
      };
    },
  };
}

export const SLOTS = 2;
/** Attempts at once on a lane of an agent of these worlds. */
export const slotsOf = (lane: string): number => (lane === "test" ? 1 : SLOTS);
