"""vLLM engines, in this process or in its children: any model that vLLM can run, with exact bills and entropies."""
