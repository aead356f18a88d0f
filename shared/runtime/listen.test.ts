import { expect, test } from "vitest";
import { listenOn } from "./listen.js";

const taken = () =>
  Object.assign(new Error("listen EADDRINUSE: address already in use"), { code: "EADDRINUSE" });

/** Listens only on ports the predicate lets through; remembers what was tried. */
function listener(free: (port: number) => boolean) {
  const tried: number[] = [];
  const listen = async (port: number) => {
    tried.push(port);
    if (!free(port)) throw taken();
    return `server on ${port}`;
  };
  return { tried, listen };
}

test("a free port is used as it is", async () => {
  const { listen } = listener(() => true);
  expect(await listenOn("k", { value: 10, explicit: true }, listen)).toEqual({
    server: "server on 10",
    port: 10,
    moved: false,
  });
});

test("an implicit port moves past the taken ones, an explicit one does not", async () => {
  const implicit = listener((port) => port >= 13);
  expect(await listenOn("k", { value: 10, explicit: false }, implicit.listen)).toMatchObject({
    port: 13,
    moved: true,
  });
  const explicit = listener((port) => port >= 13);
  await expect(listenOn("k", { value: 10, explicit: true }, explicit.listen)).rejects.toMatchObject({
    code: "config",
    message: "k: port 10 is in use",
  });
  expect(explicit.tried).toEqual([10]);
});

test("after a hundred taken ports, or at the end of all ports, it gives up", async () => {
  const none = listener(() => false);
  await expect(listenOn("k", { value: 65_500, explicit: false }, none.listen)).rejects.toThrow(
    "65500 to 65535 are",
  );
  await expect(listenOn("k", { value: 10, explicit: false }, none.listen)).rejects.toThrow(
    "ports 10 to 109 are",
  );
});

test("grpc-js, which has no error code, counts; other errors pass through", async () => {
  const grpc = async (port: number) => {
    if (port === 10)
      throw new Error("No address added out of total 1 resolved: listen EADDRINUSE 127.0.0.1:10");
    return port;
  };
  expect(await listenOn("k", { value: 10, explicit: false }, grpc)).toMatchObject({ server: 11 });
  const denied = async () => {
    throw new Error("listen EACCES");
  };
  await expect(listenOn("k", { value: 10, explicit: false }, denied)).rejects.toThrow("listen EACCES");
});
