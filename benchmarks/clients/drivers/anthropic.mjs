// npm `@anthropic-ai/sdk`.
import Anthropic from "@anthropic-ai/sdk";
import { CITY_SCHEMA, QUESTION, WEATHER_SCHEMA, serve, weather } from "./desk.mjs";

const asked = (content = QUESTION) => ({
  model: "claude-haiku-4-5",
  max_tokens: 300,
  messages: [{ role: "user", content }],
});
const tool = { name: "weather", description: "Tells the weather", input_schema: WEATHER_SCHEMA };
const textOf = (message) => message.content.find((block) => block.type === "text")?.text;

serve((url, key) => new Anthropic({ baseURL: url, apiKey: key }), {
  plain: async (client) => textOf(await client.messages.create(asked())),
  stream: async (client) => client.messages.stream(asked()).finalText(),
  async tools(client) {
    const request = { ...asked(), tools: [tool] };
    const reply = await client.messages.create(request);
    const use = reply.content.find((block) => block.type === "tool_use");
    const result = { type: "tool_result", tool_use_id: use.id, content: weather(use.input) };
    const turns = [{ role: "assistant", content: reply.content }, { role: "user", content: [result] }];
    return client.messages.stream({ ...request, messages: [...request.messages, ...turns] }).finalText();
  },
  async structured(client) {
    const format = { type: "json_schema", schema: CITY_SCHEMA };
    return JSON.parse(textOf(await client.messages.create({ ...asked("Name a city."), output_config: { format } }))).city;
  },
  async models(client) {
    for await (const each of client.models.list()) if (each.id === asked().model) return 1;
  },
  async counting(client) {
    const { model, messages } = asked();
    return (await client.messages.countTokens({ model, messages })).input_tokens;
  },
});
