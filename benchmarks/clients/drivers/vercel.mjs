// npm `ai`; which provider's package it speaks through, the driver that imports this says.
import { embedMany, generateText, Output, stepCountIs, streamText, tool } from "ai";
import { z } from "zod";
import { QUESTION, weather } from "./desk.mjs";

const City = z.object({ city: z.string(), inhabitants: z.number().int() });
const until = stepCountIs(3);
const offered = { weather: tool({ description: "Tells the weather", inputSchema: z.object({ city: z.string() }), execute: weather }) };

async function streamed(options) {
  let failure;
  const reply = streamText({ ...options, onError: ({ error }) => (failure = error) });
  let said = "";
  for await (const piece of reply.textStream) said += piece;
  if (failure) throw failure;
  return said;
}

export const features = {
  plain: async ({ model }) => (await generateText({ model, prompt: QUESTION })).text,
  stream: ({ model }) => streamed({ model, prompt: QUESTION }),
  tools: ({ model }) => streamed({ model, prompt: QUESTION, tools: offered, stopWhen: until }),
  structured: async ({ model }) =>
    (await generateText({ model, prompt: "Name a city.", output: Output.object({ schema: City }) })).output.city,
  embeddings: async ({ embedding }) =>
    (await embedMany({ model: embedding, values: ["One text", "and another"] })).embeddings[1].length,
};
