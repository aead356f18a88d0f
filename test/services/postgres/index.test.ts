/** The results index on a real PostgreSQL: all that it promises, and what happens when the server is not there. */
import { afterAll, beforeAll, expect, inject, test } from "vitest";
import { migrate } from "../../../coordinator/index/migrate.js";
import { openPostgres } from "../../../coordinator/index/postgres.js";
import { indexPromises } from "../../../coordinator/index/promises.test-support.js";
import { type PostgresServer, startPostgres } from "../../support/postgres.js";

let server: PostgresServer;
beforeAll(async () => {
  server = await startPostgres(inject("postgres"));
}, 120_000);
afterAll(() => server?.stop());

const options = (name: string) => ({
  ...{ kind: "postgresql" as const, host: server.host, port: server.port, name, user: server.user },
  ...{ password: undefined, tls: "off" as const, ca: undefined },
});

indexPromises("PostgreSQL", async () => {
  await server.create("promises");
  return openPostgres(options("promises"));
});

test("of coordinators that migrate at once one does, and the others find it done", async () => {
  await server.create("migrating");
  const databases = await Promise.all(Array.from({ length: 4 }, () => openPostgres(options("migrating"))));
  const applied = await Promise.all(databases.map((db) => migrate(db)));
  expect(applied.map((names) => names.length).sort()).toEqual([0, 0, 0, 1]);
  await Promise.all(databases.map((db) => db.close()));
});

test("a database that is not there, or a server, is told with what to do, and is no mistake of ours", async () => {
  await expect(openPostgres(options("nowhere"))).rejects.toMatchObject({
    code: "unavailable",
    hint: expect.stringContaining("createdb"),
  });
  await expect(openPostgres({ ...options("x"), port: 1 })).rejects.toMatchObject({
    code: "unavailable",
    message: expect.stringContaining("127.0.0.1:1"),
  });
});

test("what was under way when the server died is told, and the next transaction works on the next server", async () => {
  await server.create("dying");
  const db = await openPostgres(options("dying"));
  await db.query("create table t (n int primary key)");
  const cut = db.transaction(async (tx) => {
    await tx.query("insert into t values (1)");
    await server.kill();
    await tx.query("insert into t values (2)");
  });
  await expect(cut).rejects.toMatchObject({ code: "unavailable" });
  await server.start();
  await db.transaction((tx) => tx.query("insert into t values (3)"));
  expect(await db.query("select n from t")).toEqual([{ n: 3 }]);
  await db.close();
});
