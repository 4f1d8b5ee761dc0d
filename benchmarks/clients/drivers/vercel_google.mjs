// npm `@ai-sdk/google`: its base URL ends in /v1beta.
import { createGoogleGenerativeAI } from "@ai-sdk/google";
import { serve } from "./desk.mjs";
import { features } from "./vercel.mjs";

serve((url, key) => {
  const provider = createGoogleGenerativeAI({ baseURL: `${url}/v1beta`, apiKey: key });
  return { model: provider("gemini-2.5-flash"), embedding: provider.embedding("gemini-embedding-001") };
}, features);
