package storagetest

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"sync/atomic"
	"testing"
)

// Toxic is a fault of a TCP connection as toxiproxy makes it; its documentation tells types and attributes.
type Toxic struct {
	Type       string         `json:"type"`
	Stream     string         `json:"stream"` // "upstream": to the server; "downstream": to the client
	Attributes map[string]int `json:"attributes"`
}

// Toxiproxy is a running toxiproxy, which makes faults below HTTP.
type Toxiproxy struct {
	process
	made atomic.Int64
}

// StartToxiproxy runs one for the length of a test. Without the binary (STARKEEP_TOXIPROXY, else bin/toxiproxy) the test is
// skipped, or fails when CI=true.
func StartToxiproxy(t testing.TB) *Toxiproxy {
	t.Helper()
	x := &Toxiproxy{process: process{
		binary: findTool(t, "toxiproxy"), scheme: "http", ready: "/version",
		args: func(address string) []string {
			host, port, _ := net.SplitHostPort(address)
			return []string{"-host", host, "-port", port}
		},
	}}
	x.run(t)
	return x
}

// Before is the address, host:port, of a new way to a TCP server on which the toxics act.
func (x *Toxiproxy) Before(t testing.TB, server string, toxics ...Toxic) string {
	t.Helper()
	name := fmt.Sprint("p", x.made.Add(1))
	var made struct{ Listen string }
	x.post(t, "/proxies", map[string]any{"name": name, "listen": "127.0.0.1:0", "upstream": server, "enabled": true}, &made)
	for _, toxic := range toxics {
		x.post(t, "/proxies/"+name+"/toxics", toxic, nil)
	}
	return made.Listen
}

func (x *Toxiproxy) post(t testing.TB, path string, body, answer any) {
	t.Helper()
	text, err := json.Marshal(body)
	if err != nil {
		t.Fatal(err)
	}
	call, err := http.NewRequestWithContext(t.Context(), http.MethodPost, "http://"+x.address+path, bytes.NewReader(text))
	if err != nil {
		t.Fatal(err)
	}
	call.Header.Set("Content-Type", "application/json")
	call.Close = true // it ends idle connections after 10 s, also when a call is on its way
	got, err := http.DefaultClient.Do(call)
	if err != nil {
		t.Fatal(err)
	}
	defer got.Body.Close()
	said, err := io.ReadAll(got.Body)
	if err != nil || got.StatusCode >= 300 {
		t.Fatalf("toxiproxy %s %s: %s %s %v", path, text, got.Status, said, err)
	}
	if answer == nil {
		return
	}
	if err := json.Unmarshal(said, answer); err != nil {
		t.Fatal(err)
	}
}
