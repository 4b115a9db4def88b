"""Work that flows: pipelines of stages with back-pressure. docs/flow.md tells it by example."""
