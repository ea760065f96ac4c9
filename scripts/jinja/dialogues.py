"""Dialogues that chat templates are tried with."""

TOOL = {
    "type": "function",
    "function": {
        "name": "weather",
        "description": "What the weather is like <here> & \"there\".",
        "parameters": {
            "type": "object",
            "properties": {
                "city": {"type": "string", "description": "Ville à chercher"},
                "days": {"type": "integer", "enum": [1, 2, 7]},
                "units": {"type": ["string", "null"], "default": None},
            },
            "required": ["city"],
        },
        "return": {"type": "object"},
    },
}
SEARCH = {"type": "function", "function": {"name": "search", "description": "Finds.", "parameters": {"type": "object", "properties": {}}}}


def call(name: str, **arguments) -> dict:
    return {"type": "function", "id": "a1b2c3d4e", "function": {"name": name, "arguments": arguments}}


USER = {"role": "user", "content": "  Name a colour,\nplease  "}
SYSTEM = {"role": "system", "content": "Be brief."}
PLAIN = [USER, {"role": "assistant", "content": "Blue.\n\n- or red\n"}]
CODE = [USER, {"role": "assistant", "content": "\n    def f():\n        return '😀'\n\n"}]
THINKING = [
    USER,
    {"role": "assistant", "content": "<think>\nHm.\n</think>\n\nBlue."},
    {"role": "user", "content": "Another?"},
    {"role": "assistant", "content": "Red.", "reasoning_content": "\nLet me see.\n"},
]
FIELD = [USER, {"role": "assistant", "content": "Red.", "thinking": "Which one?", "reasoning": "Which?"}]
TOOLS = [
    {"role": "user", "content": "Weather in Orléans?"},
    {"role": "assistant", "content": "", "tool_calls": [call("weather", city="Orléans", days=2, far=1.5, ok=True, no=None)]},
    {"role": "tool", "name": "weather", "tool_call_id": "a1b2c3d4e", "content": "{\"sky\": \"<blue>\"}"},
    {"role": "assistant", "content": "Blue 日本."},
]
TWO_CALLS = [
    SYSTEM,
    {"role": "user", "content": "Both"},
    {"role": "assistant", "content": "Now.", "reasoning_content": "Two.", "tool_calls": [call("weather", city="a"), call("search")]},
    {"role": "tool", "name": "weather", "content": "x"},
    {"role": "tool", "name": "search", "content": "y"},
]
PARTS = [
    {"role": "user", "content": [{"type": "text", "text": "What is"}, {"type": "image"}, {"type": "text", "text": " this?"}]},
    {"role": "assistant", "content": [{"type": "text", "text": "A cat."}]},
]
ODD = [{"role": "assistant", "content": "First."}, {"role": "user", "content": ""}, {"role": "other", "content": "?"}]

NAMES = {"bos_token": "<s>", "eos_token": "</s>", "pad_token": "<pad>", "unk_token": "<unk>"}


def context(messages, prompt=False, tools=None, documents=None, **more) -> dict:
    return {"messages": messages, "add_generation_prompt": prompt, "tools": tools, "documents": documents, **NAMES, **more}


CONTEXTS = [
    *(context(messages) for messages in (PLAIN, CODE, THINKING, FIELD, TOOLS, TWO_CALLS, PARTS, ODD)),
    *(context(messages[:-1], True) for messages in (PLAIN, [SYSTEM, *PLAIN], THINKING, TOOLS)),
    context([SYSTEM, *PLAIN, *THINKING], False),
    context(TOOLS, False, [TOOL, SEARCH]),
    context(TWO_CALLS, True, [TOOL, SEARCH]),
    context([SYSTEM, USER], True, [TOOL]),
    context([SYSTEM, USER], True, [], enable_thinking=False),
    context(THINKING[:-1], True, enable_thinking=True, thinking=True),
    context([SYSTEM, USER], True, [TOOL], enable_thinking=False, reasoning_effort="low"),
    context([USER], True, None, [{"title": "One", "text": "First text"}, {"title": "Two", "text": "<b>"}]),
    context([]),
]
