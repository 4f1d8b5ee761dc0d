// npm `@ai-sdk/anthropic`: its base URL ends in /v1, unlike that of Anthropic's own SDK.
import { createAnthropic } from "@ai-sdk/anthropic";
import { serve } from "./desk.mjs";
import { features } from "./vercel.mjs";

serve((url, key) => ({ model: createAnthropic({ baseURL: `${url}/v1`, apiKey: key })("claude-haiku-4-5") }), features);
