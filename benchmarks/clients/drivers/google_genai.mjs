// npm `@google/genai`.
import { GoogleGenAI } from "@google/genai";
import { CITY_SCHEMA, QUESTION, WEATHER_SCHEMA, serve, weather } from "./desk.mjs";

const model = "gemini-2.5-flash";
const declared = { name: "weather", description: "Tells the weather", parametersJsonSchema: WEATHER_SCHEMA };
const user = (...parts) => ({ role: "user", parts });

serve((url, key) => new GoogleGenAI({ apiKey: key, httpOptions: { baseUrl: url } }), {
  plain: async (client) => (await client.models.generateContent({ model, contents: QUESTION })).text,
  async stream(client) {
    let said = "";
    for await (const chunk of await client.models.generateContentStream({ model, contents: QUESTION }))
      said += chunk.text ?? "";
    return said;
  },
  async tools(client) {
    const config = { tools: [{ functionDeclarations: [declared] }] };
    const asked = [user({ text: QUESTION })];
    const reply = await client.models.generateContent({ model, contents: asked, config });
    const [call] = reply.functionCalls;
    const functionResponse = { id: call.id, name: call.name, response: { output: weather(call.args) } };
    const contents = [...asked, reply.candidates[0].content, user({ functionResponse })];
    return (await client.models.generateContent({ model, contents, config })).text;
  },
  async structured(client) {
    const config = { responseMimeType: "application/json", responseJsonSchema: CITY_SCHEMA };
    return JSON.parse((await client.models.generateContent({ model, contents: "Name a city.", config })).text).city;
  },
  async embeddings(client) {
    const contents = ["One text", "and another"];
    return (await client.models.embedContent({ model: "gemini-embedding-001", contents })).embeddings[1].values.length;
  },
  async models(client) {
    for await (const each of await client.models.list()) if (each.name === `models/${model}`) return 1;
  },
  counting: async (client) => (await client.models.countTokens({ model, contents: QUESTION })).totalTokens,
});
