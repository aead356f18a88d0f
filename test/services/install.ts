/** Gets the outside programs the service tests use, once, and hands their paths to the tests; fails if it cannot. */
import { existsSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import type { TestProject } from "vitest/node";
import { debianProgram, goProgram } from "../support/outside.js";
import { ETCD_VERSION, etcdProgram } from "./etcd/programs.js";

declare module "vitest" {
  export interface ProvidedContext {
    grpcurl: string;
    buf: string;
    /** Debian's, the oldest that must do, and a current one. */
    etcds: { old: string; current: string };
    etcdutl: string;
    /** The folder with Debian's postgres and initdb. */
    postgres: string;
    /** The Versity gateway. */
    s3: string;
  }
}

export default async function setup(project: TestProject): Promise<void> {
  await debianProgram({ program: "/usr/bin/openssl", package: "openssl" }, console.error);
  project.provide("postgres", await postgresFolder());
  project.provide("etcds", {
    old: await debianProgram({ program: "/usr/bin/etcd", package: "etcd-server" }, console.error),
    current: await etcdProgram(console.error),
  });
  const etcdutl = { package: "go.etcd.io/etcd/etcdutl/v3", name: "etcdutl", version: ETCD_VERSION };
  project.provide("etcdutl", await goProgram(etcdutl, console.error));
  const versity = { package: "github.com/versity/versitygw/cmd/versitygw", version: "v1.8.0" };
  project.provide("s3", await goProgram(versity, console.error));
  project.provide(
    "grpcurl",
    await goProgram(
      { package: "github.com/fullstorydev/grpcurl/cmd/grpcurl", version: "v1.9.3" },
      console.error,
    ),
  );
  project.provide("buf", join(fileURLToPath(new URL("../..", import.meta.url)), "node_modules/.bin/buf"));
}

/** Debian has each major version in a folder of its own; any from 14 on will do. */
async function postgresFolder(): Promise<string> {
  const root = "/usr/lib/postgresql";
  const newest = () =>
    existsSync(root)
      ? readdirSync(root)
          .filter((version) => Number(version) >= 14)
          .sort((a, b) => Number(b) - Number(a))[0]
      : undefined;
  if (newest() === undefined)
    await debianProgram({ program: "/usr/bin/pg_ctlcluster", package: "postgresql" }, console.error);
  const version = newest();
  if (version === undefined)
    throw new Error(`Debian's postgresql was installed, but ${root} has no version from 14 on`);
  return join(root, version, "bin");
}
