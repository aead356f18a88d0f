import { expect, test } from "vitest";
import { readSamples, sampleFields } from "./samples.js";

const help = (...fields: string[]) => fields.map((field) => `${field}\nSays "what" it is.\n`).join("\n");

test("only fields that the driver knows are asked, by any of their names", () => {
  expect(
    sampleFields(help('"uuid" or "gpu_uuid"', '"clocks.sm" or "clocks.current.sm"', '"power.draw"')),
  ).toEqual(["uuid", "power.draw", "clocks.current.sm"]);
  expect(() => sampleFields("NVIDIA-SMI has failed")).toThrow("lists no field 'uuid'");
});

test("the older names of the reasons are asked where there are no newer", () => {
  const older = '"clocks_throttle_reasons.sw_power_cap"';
  const newer = '"clocks_event_reasons.sw_power_cap"';
  expect(sampleFields(help('"uuid"', older))).toContain("clocks_throttle_reasons.sw_power_cap");
  expect(sampleFields(help('"uuid"', older, newer))).toEqual(["uuid", "clocks_event_reasons.sw_power_cap"]);
});

test("what a driver does not tell is undefined, not zero", () => {
  const [sample] = readSamples(
    "uuid, utilization.gpu [%], power.draw [W], temperature.memory, memory.used [MiB]\n" +
      "GPU-a, [N/A], [Insufficient Permissions], N/A, 12\n",
  );
  expect(sample).toMatchObject({ utilisation: undefined, powerW: undefined, memoryTemperatureC: undefined });
  expect(sample?.usedBytes).toBe(12 * 1024 ** 2);
  expect(sample?.temperatureC).toBeUndefined();
});

test("what stands in brackets is no value, whatever it says", () => {
  const [sample] = readSamples("uuid, compute_cap, pstate\nGPU-a, [GPU requires reset], [Unknown Error]\n");
  expect(sample).toMatchObject({ computeCapability: undefined, performanceState: undefined });
});

test("reasons under their older name count the same", () => {
  const [sample] = readSamples(
    "uuid, clocks_throttle_reasons.hw_thermal_slowdown, clocks_event_reasons_counters.sw_power_cap [us]\nGPU-a, Active, 200740215\n",
  );
  expect(sample?.slowedBy).toEqual(["hw_thermal"]);
  expect(sample?.slowedUs).toEqual({ power_cap: 200_740_215 });
});

test.each([
  ["a row too short", "uuid, power.draw [W]\nGPU-a\n", /row 1 has 1 values for 2 columns/],
  ["a row too long", "uuid, power.draw [W]\nGPU-a, 1, 2\n", /row 1 has 3 values for 2 columns/],
  ["a lost GPU", "uuid, power.draw [W]\n[GPU is lost], [GPU is lost]\n", /row 1 names no GPU/],
  ["no header", "", /no column uuid/],
])("%s is garbled", (_what, csv, message) => {
  expect(() => readSamples(csv)).toThrow(message);
});
