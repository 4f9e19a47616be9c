"""Clients that hold three requests, one after the other; each prints statuses and bodies."""

FETCH = """
const [url] = process.argv.slice(1);
const headers = { "content-type": "application/json", prefer: "processing; interval=1" };
for (const to of [15, 1, 2]) {
  const body = JSON.stringify({ to, interval: 0.1 });
  const answer = await fetch(url, { method: "POST", headers, body });
  console.log(answer.status, await answer.text());
}
"""

PYTHON = {
    "httpx2": """
import sys, httpx2
with httpx2.Client(headers={"prefer": "processing; interval=1"}) as client:
    for to in 15, 1, 2:
        answer = client.post(sys.argv[1], json={"to": to, "interval": 0.1})
        print(answer.status_code, answer.text)
""",
    "aiohttp": """
import asyncio, sys, aiohttp
async def main():
    async with aiohttp.ClientSession(headers={"prefer": "processing; interval=1"}) as session:
        for to in 15, 1, 2:
            async with session.post(sys.argv[1], json={"to": to, "interval": 0.1}) as answer:
                print(answer.status, await answer.text())
asyncio.run(main())
""",
}

REQUESTS = """
import sys, requests
prefer, url = sys.argv[1:]
with requests.Session() as session:
    session.headers.update({"prefer": prefer} if prefer else {})
    for to in 15, 1, 2:
        answer = session.post(url, json={"to": to, "interval": 0.1}, timeout=20)
        print(answer.status_code, answer.text)
"""

GO = """
package main

import (
	"fmt"
	"io"
	"net/http"
	"os"
	"strings"
)

func main() {
	for _, to := range []int{15, 1, 2} {
		body := strings.NewReader(fmt.Sprintf(`{"to": %d, "interval": 0.1}`, to))
		request, err := http.NewRequest(http.MethodPost, os.Args[1], body)
		if err != nil {
			panic(err)
		}
		request.Header.Set("Content-Type", "application/json")
		request.Header.Set("Prefer", "processing; interval=1")
		answer, err := http.DefaultClient.Do(request)
		if err != nil {
			panic(err)
		}
		content, err := io.ReadAll(answer.Body)
		if err != nil {
			panic(err)
		}
		answer.Body.Close()
		fmt.Println(answer.StatusCode, string(content))
	}
}
"""
