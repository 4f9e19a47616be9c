// Wait for an operation: start it, and ask again whenever Retry-After says so.
//
//	go run wait.go [URL] [PARAMS]
//
// How far it is goes to standard error, its result to standard output.
package main

import (
	"crypto/rand"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"strconv"
	"strings"
	"time"
)

type operation struct {
	State      string          `json:"state"`
	Result     json.RawMessage `json:"result"`
	Error      json.RawMessage `json:"error"`
	FinishedAt string          `json:"finished_at"`
}

func start(url, params string) (*http.Response, error) {
	body := strings.NewReader(`{"kind": "count", "params": ` + params + `}`)
	request, err := http.NewRequest(http.MethodPost, url+"/operations", body)
	if err != nil {
		return nil, err
	}
	key := make([]byte, 16)
	if _, err := rand.Read(key); err != nil {
		return nil, err
	}
	request.Header.Set("Content-Type", "application/json")
	// With this net/http itself sends the request again when a kept connection turns out dead.
	request.Header.Set("Idempotency-Key", fmt.Sprintf(`"%x"`, key))
	return http.DefaultClient.Do(request)
}

func read(response *http.Response) (now operation, err error) {
	defer response.Body.Close()
	content, err := io.ReadAll(response.Body)
	if err != nil {
		return now, err
	}
	if response.StatusCode >= 300 {
		return now, fmt.Errorf("%s: %s", response.Status, content)
	}
	return now, json.Unmarshal(content, &now)
}

func wait(url, params string) (json.RawMessage, error) {
	response, err := start(url, params)
	if err != nil {
		return nil, err
	}
	place, _ := response.Location() // none in an answer that is refused below
	for {
		now, err := read(response)
		if err != nil {
			return nil, err
		}
		fmt.Fprintln(os.Stderr, response.Header.Get("Progress"))
		switch {
		case now.State == "succeeded":
			return now.Result, nil
		case now.FinishedAt != "":
			return nil, fmt.Errorf("%s: %s", now.State, now.Error)
		}
		seconds, err := strconv.Atoi(response.Header.Get("Retry-After"))
		if err != nil {
			seconds = 1
		}
		time.Sleep(time.Duration(seconds) * time.Second)
		if response, err = http.Get(place.String()); err != nil {
			return nil, err
		}
	}
}

func main() {
	arguments := []string{"http://127.0.0.1:8000", `{"to": 8, "interval": 1}`}
	copy(arguments, os.Args[1:])
	result, err := wait(arguments[0], arguments[1])
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	fmt.Println(string(result))
}
