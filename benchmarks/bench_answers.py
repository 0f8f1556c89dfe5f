"""What bench_server.py answers: bytes of HTTP, made beforehand where that can be."""

import json
import zlib

QUERY = (
    "what do we do if it is 5 to 9 in id %08x: is it up to us or to them, and how far is it on "
    "foot, by car or by bus, at 6 am or at 7 pm, in the sun, the ice or the fog, if my map of it "
    "is old, my bag is too big and the cat is ill, and who is it that can tell me so in an hour "
    "or two for 30 or 40"
)
"""300 letters at most, which is what the recipe `query` allows."""
ANSWER = json.dumps(json.dumps({"query": QUERY}))
PAYLOAD = (
    '{"id":"chatcmpl-%08x","object":"chat.completion","created":1,"model":"bench","choices":'
    '[{"index":0,"message":{"role":"assistant","content":'
    + ANSWER
    + '},"finish_reason":"stop","logprobs":null}],"usage":{"prompt_tokens":%d,'
    '"completion_tokens":100,"total_tokens":%d}}'
)
MODELS = '{"object":"list","data":[{"id":"bench","object":"model","created":1,"owned_by":"bench"}]}'
HEAD = "HTTP/1.1 %s\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%s"


def reply(status: str, body: str) -> bytes:
    """Return the bytes of an HTTP answer."""
    return (HEAD % (status, len(body), body)).encode()


def failure(status: str, code: str) -> bytes:
    """Return an error as OpenAI words one."""
    body = {"message": f"{code}, on purpose", "type": code, "param": None, "code": code}
    return reply(status, json.dumps({"error": body}))


TOO_MANY = failure("429 Too Many Requests", "rate_limit_exceeded")
BAD = failure("400 Bad Request", "bad_prompt")
LOST = failure("404 Not Found", "not_found")


def good(body: bytes) -> bytes:
    """Return the answer to a request."""
    number = zlib.crc32(body)
    asked = len(body) // 4
    return reply("200 OK", PAYLOAD % (number, number, asked, asked + 100))
