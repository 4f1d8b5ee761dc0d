// The same as desk.py, for Node: takes orders on stdin and answers on stdout, one JSON a line.
import { createInterface } from "node:readline";

export const WEATHER_SCHEMA = {
  type: "object",
  properties: { city: { type: "string", description: "Where" } },
  required: ["city"],
  additionalProperties: false,
};
export const CITY_SCHEMA = {
  type: "object",
  properties: { city: { type: "string" }, inhabitants: { type: "integer" } },
  required: ["city", "inhabitants"],
  additionalProperties: false,
};
export const QUESTION = "What is the weather like in Lisbon?";

export const weather = ({ city }) => `Sunny in ${city}.`;

// `connect(baseUrl, key)` makes what each feature takes; a feature answers what it got, which must be something.
export async function serve(connect, features) {
  const write = process.stdout.write.bind(process.stdout);
  console.log = console.info = console.error;
  for await (const line of createInterface({ input: process.stdin })) {
    const order = JSON.parse(line);
    const started = performance.now();
    let answer;
    try {
      const said = await features[order.feature](await connect(order.base_url, order.key));
      if (!said) throw new Error(`${order.feature} gave nothing: ${said}`);
      answer = { ok: true, said: String(said).slice(0, 300) };
    } catch (error) {
      answer = { ok: false, error: error.name === "Error" ? error.constructor.name : error.name, message: error.message };
    }
    write(JSON.stringify({ ...answer, seconds: (performance.now() - started) / 1000 }) + "\n");
  }
}
