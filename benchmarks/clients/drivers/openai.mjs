// npm `openai`.
import OpenAI from "openai";
import { CITY_SCHEMA, QUESTION, WEATHER_SCHEMA, serve, weather } from "./desk.mjs";

const model = "gpt-4o-mini";
const user = (content) => ({ role: "user", content });
const tool = { name: "weather", description: "Tells the weather", parameters: WEATHER_SCHEMA };
const form = { name: "city", strict: true, schema: CITY_SCHEMA };

serve((url, key) => new OpenAI({ baseURL: `${url}/v1`, apiKey: key }), {
  async plain(client) {
    const reply = await client.chat.completions.create({ model, messages: [user(QUESTION)] });
    return reply.choices[0].message.content;
  },
  async stream(client) {
    let said = "";
    for await (const chunk of await client.chat.completions.create({ model, messages: [user(QUESTION)], stream: true }))
      said += chunk.choices[0]?.delta?.content ?? "";
    return said;
  },
  async tools(client) {
    const runner = client.chat.completions.runTools({
      model,
      stream: true,
      messages: [user(QUESTION)],
      tools: [{ type: "function", function: { ...tool, parse: JSON.parse, function: weather } }],
    });
    return runner.finalContent();
  },
  async structured(client) {
    const reply = await client.chat.completions.parse({
      model,
      messages: [user("Name a city.")],
      response_format: { type: "json_schema", json_schema: form },
    });
    return reply.choices[0].message.parsed.city;
  },
  async embeddings(client) {
    const reply = await client.embeddings.create({ model: "text-embedding-3-small", input: ["One text", "and another"] });
    return reply.data[1].embedding.length;
  },
  async responses(client) {
    const tools = [{ type: "function", ...tool, strict: true }];
    const first = await client.responses.create({ model, input: QUESTION, tools });
    const call = first.output.find((item) => item.type === "function_call");
    const output = { type: "function_call_output", call_id: call.call_id, output: weather(JSON.parse(call.arguments)) };
    const second = client.responses.stream({ model, input: [user(QUESTION), ...first.output, output], tools });
    const said = (await second.finalResponse()).output_text;
    const text = { format: { type: "json_schema", ...form } };
    const city = await client.responses.parse({ model, input: "Name a city.", text });
    return `${said} ${city.output_parsed.city}`;
  },
  async models(client) {
    for await (const each of client.models.list()) if (each.id === model) return 1;
  },
});
