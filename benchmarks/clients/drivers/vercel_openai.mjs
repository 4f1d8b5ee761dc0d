// npm `@ai-sdk/openai`: its models speak /v1/responses unless asked for `.chat`.
import { createOpenAI } from "@ai-sdk/openai";
import { serve } from "./desk.mjs";
import { features } from "./vercel.mjs";

const connect = (url, key) => {
  const provider = createOpenAI({ baseURL: `${url}/v1`, apiKey: key });
  return { model: provider.chat("gpt-4o-mini"), newer: provider("gpt-5-mini"), embedding: provider.embedding("text-embedding-3-small") };
};

serve(connect, {
  ...features,
  async responses({ newer: model }) {
    const said = [];
    for (const feature of ["plain", "stream", "tools", "structured"]) said.push(await features[feature]({ model }));
    return said.every(Boolean) && said.join(" ");
  },
});
