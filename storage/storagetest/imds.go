package storagetest

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"
)

// machineRole is the name of the role that the instance profile holds.
const machineRole = "starkeep-machine"

// IMDS is an instance metadata service, version 2 alone, that hands out a server's keys as those of the machine's role. It is
// this package's own: it shows how starkeep uses such a service, not how AWS's behaves. The session token is empty, since
// versitygw takes none, unless one is set.
type IMDS struct {
	Endpoint string

	mu       sync.Mutex
	keys     Server
	session  string
	lifetime time.Duration
	fail     func(http.ResponseWriter, *http.Request) bool
	tokens   map[string]bool
	fetched  int
}

// StartIMDS starts the service for the length of a test and points AWS_EC2_METADATA_SERVICE_ENDPOINT to it.
func StartIMDS(t testing.TB, keys Server) *IMDS {
	t.Helper()
	s := &IMDS{keys: keys, lifetime: 6 * time.Hour, tokens: map[string]bool{}}
	server := httptest.NewServer(http.HandlerFunc(s.serve))
	t.Cleanup(server.Close)
	s.Endpoint = server.URL
	t.Setenv("AWS_EC2_METADATA_SERVICE_ENDPOINT", s.Endpoint)
	t.Setenv("AWS_EC2_METADATA_DISABLED", "false")
	return s
}

// Rotate hands out other keys from now on.
func (s *IMDS) Rotate(keys Server, session string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.keys, s.session = keys, session
}

// Expire says how long keys are valid that are handed out from now on; it may be negative.
func (s *IMDS) Expire(lifetime time.Duration) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.lifetime = lifetime
}

// Fail lets a function answer, or not, before the service does; nil stops that. It tells whether it has answered.
func (s *IMDS) Fail(fail func(http.ResponseWriter, *http.Request) bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.fail = fail
}

// Fetched is how often keys were handed out.
func (s *IMDS) Fetched() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.fetched
}

func (s *IMDS) serve(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	fail := s.fail
	s.mu.Unlock()
	if fail != nil && fail(w, r) { // may hang: without the lock
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	const list = "/latest/meta-data/iam/security-credentials/"
	switch {
	case r.URL.Path == "/latest/api/token" && r.Method == http.MethodPut:
		token := "imds-token-" + strconv.Itoa(len(s.tokens))
		s.tokens[token] = true
		w.Header().Set("X-Aws-Ec2-Metadata-Token-Ttl-Seconds", r.Header.Get("X-Aws-Ec2-Metadata-Token-Ttl-Seconds"))
		_, _ = w.Write([]byte(token))
	case !s.tokens[r.Header.Get("X-Aws-Ec2-Metadata-Token")]:
		w.WriteHeader(http.StatusUnauthorized)
	case strings.TrimSuffix(r.URL.Path, "/")+"/" == list:
		_, _ = w.Write([]byte(machineRole))
	case r.URL.Path == list+machineRole:
		s.fetched++
		_ = json.NewEncoder(w).Encode(map[string]string{
			"Code": "Success", "Type": "AWS-HMAC", "AccessKeyId": s.keys.AccessKey, "SecretAccessKey": s.keys.SecretKey, "Token": s.session,
			"LastUpdated": time.Now().UTC().Format(time.RFC3339), "Expiration": time.Now().Add(s.lifetime).UTC().Format(time.RFC3339),
		})
	default:
		w.WriteHeader(http.StatusNotFound)
	}
}
