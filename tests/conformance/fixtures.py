"""Prime's MCP face with the conformance suite's own tools, resources and prompts beside Prime's.

What these answer is the suite's wish (its README lists them); how requests come in and answers go out is Prime's: the
same guard, routes, server and SDK as `prime serve`.
"""

from __future__ import annotations

import base64
import json
from typing import Any

import mcp_types as types

from primecore.errors import InvalidArgument
from primecore.faces.mcp.server import Face

PIXEL = base64.b64encode(
    bytes.fromhex(
        "89504e470d0a1a0a0000000d4948445200000001000000010802000000907753de"
        "0000000c49444154789c63f8cfc0000003010100c9fe92ef0000000049454e44ae426082"
    )
).decode()
SOUND = base64.b64encode(b"RIFF$\0\0\0WAVEfmt \x10\0\0\0\1\0\1\0@\x1f\0\0@\x1f\0\0\1\0\x08\0data\0\0\0\0").decode()
SCHEMA_2020 = {
    "$schema": "https://json-schema.org/draft/2020-12/schema",
    "type": "object",
    "$defs": {"address": {"type": "object", "properties": {"street": {"type": "string"}, "city": {"type": "string"}}}},
    "properties": {"name": {"type": "string"}, "address": {"$ref": "#/$defs/address"}},
    "additionalProperties": False,
}


def text(it: str) -> types.TextContent:
    return types.TextContent(text=it)


def image() -> types.ImageContent:
    return types.ImageContent(data=PIXEL, mime_type="image/png")


def embedded(uri: str, content: str, kind: str = "text/plain") -> types.EmbeddedResource:
    return types.EmbeddedResource(resource=types.TextResourceContents(uri=uri, mime_type=kind, text=content))


TOOLS: dict[str, list[Any]] = {
    "test_simple_text": [text("This is a simple text response for testing.")],
    "test_image_content": [image()],
    "test_audio_content": [types.AudioContent(data=SOUND, mime_type="audio/wav")],
    "test_embedded_resource": [embedded("test://embedded-resource", "This is an embedded resource content.")],
    "test_multiple_content_types": [
        text("Multiple content types test:"),
        image(),
        embedded("test://mixed-content-resource", '{"test":"data","value":123}', "application/json"),
    ],
    "test_error_handling": [],
    "json_schema_2020_12_tool": [],
}
PROMPTS = [
    types.Prompt(name="test_simple_prompt", description="simple"),
    types.Prompt(
        name="test_prompt_with_arguments",
        description="with arguments",
        arguments=[types.PromptArgument(name=name, required=True) for name in ("arg1", "arg2")],
    ),
    types.Prompt(
        name="test_prompt_with_embedded_resource",
        description="with a resource",
        arguments=[types.PromptArgument(name="resourceUri", required=True)],
    ),
    types.Prompt(name="test_prompt_with_image", description="with an image"),
]


def prompted(name: str, given: dict[str, str]) -> list[Any] | None:
    if name == "test_simple_prompt":
        return [text("This is a simple prompt for testing.")]
    if name == "test_prompt_with_arguments":
        return [text(f"Prompt with arguments: arg1='{given['arg1']}', arg2='{given['arg2']}'")]
    if name == "test_prompt_with_embedded_resource":
        return [
            embedded(given["resourceUri"], "Embedded resource content for testing."),
            text("Please process the embedded resource above."),
        ]
    if name == "test_prompt_with_image":
        return [image(), text("Please analyze the image above.")]
    return None


class Fixtures(Face):
    """The face, and what the suite asks for."""

    async def _list_tools(self, context: Any, params: Any) -> types.ListToolsResult:
        found = await super()._list_tools(context, params)
        more = [
            types.Tool(
                name=name,
                description=name,
                input_schema=SCHEMA_2020 if name.startswith("json_schema") else {"type": "object"},
            )
            for name in TOOLS
        ]
        return types.ListToolsResult(tools=[*found.tools, *more])

    async def _call_tool(self, context: Any, params: types.CallToolRequestParams) -> types.CallToolResult:
        if params.name not in TOOLS:
            return await super()._call_tool(context, params)
        if params.name == "test_error_handling":
            return types.CallToolResult(
                content=[text(str(InvalidArgument("This tool intentionally returns an error for testing")))],
                is_error=True,
            )
        return types.CallToolResult(content=TOOLS[params.name])

    async def _list_templates(self, context: Any, params: Any) -> types.ListResourceTemplatesResult:
        found = await super()._list_templates(context, params)
        one = types.ResourceTemplate(uri_template="test://template/{id}/data", name="template")
        return types.ListResourceTemplatesResult(resource_templates=[*found.resource_templates, one])

    async def _read_resource(self, context: Any, params: types.ReadResourceRequestParams) -> types.ReadResourceResult:
        uri = str(params.uri)
        if uri == "test://static-text":
            content: Any = types.TextResourceContents(
                uri=uri, mime_type="text/plain", text="This is the content of the static text resource."
            )
        elif uri == "test://static-binary":
            content = types.BlobResourceContents(uri=uri, mime_type="image/png", blob=PIXEL)
        elif uri.startswith("test://template/"):
            id = uri.split("/")[3]
            body = json.dumps({"id": id, "templateTest": True, "data": f"Data for ID: {id}"})
            content = types.TextResourceContents(uri=uri, mime_type="application/json", text=body)
        else:
            return await super()._read_resource(context, params)
        return types.ReadResourceResult(contents=[content])

    async def _list_prompts(self, context: Any, params: Any) -> types.ListPromptsResult:
        found = await super()._list_prompts(context, params)
        return types.ListPromptsResult(prompts=[*found.prompts, *PROMPTS])

    async def _get_prompt(self, context: Any, params: types.GetPromptRequestParams) -> types.GetPromptResult:
        contents = prompted(params.name, params.arguments or {})
        if contents is None:
            return await super()._get_prompt(context, params)
        return types.GetPromptResult(messages=[types.PromptMessage(role="user", content=it) for it in contents])
