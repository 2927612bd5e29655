package storagetest

import (
	"crypto"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"
)

// TokenServer hands out access tokens for assertions that a service account's key has signed, as Google's does.
type TokenServer struct {
	Endpoint string

	mu      sync.Mutex
	keys    map[string]*rsa.PublicKey // by service account
	issued  map[string]string         // service account by token
	asked   int
	refusal *refusal
}

type refusal struct {
	status int
	body   string
}

// StartTokenServer starts one for the length of a test.
func StartTokenServer(t testing.TB) *TokenServer {
	t.Helper()
	s := &TokenServer{keys: map[string]*rsa.PublicKey{}, issued: map[string]string{}}
	server := httptest.NewServer(s)
	t.Cleanup(server.Close)
	s.Endpoint = server.URL + "/token"
	return s
}

// Refuse answers every request from now on with a status and a body; 0 stops that.
func (s *TokenServer) Refuse(status int, body string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.refusal = nil
	if status != 0 {
		s.refusal = &refusal{status, body}
	}
}

// Revoke makes all tokens worthless that were handed out so far.
func (s *TokenServer) Revoke() {
	s.mu.Lock()
	defer s.mu.Unlock()
	clear(s.issued)
}

// Asked is how many requests there were.
func (s *TokenServer) Asked() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.asked
}

func accountName(name string) string { return name + "@starkeep-test.iam.gserviceaccount.com" }

// accountKey is one for all accounts: making it takes a second.
var accountKey = sync.OnceValues(func() (*rsa.PrivateKey, error) { return rsa.GenerateKey(rand.Reader, 2048) })

// Account makes a service account and gives the name of its key file.
func (s *TokenServer) Account(t testing.TB, name string) string {
	t.Helper()
	key, err := accountKey()
	if err != nil {
		t.Fatal(err)
	}
	s.mu.Lock()
	s.keys[accountName(name)] = &key.PublicKey
	s.mu.Unlock()
	encoded, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	file, err := json.Marshal(map[string]string{
		"type": "service_account", "project_id": "starkeep-test", "private_key_id": "key-of-" + name,
		"private_key":  string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: encoded})),
		"client_email": accountName(name), "client_id": "1", "token_uri": s.Endpoint,
	})
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), name+".json")
	if err := os.WriteFile(path, file, 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// owner is the service account that a token was handed out to, or "".
func (s *TokenServer) owner(token string) string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.issued[token]
}

func (s *TokenServer) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.asked++
	w.Header().Set("Content-Type", "application/json")
	if s.refusal != nil {
		w.WriteHeader(s.refusal.status)
		fmt.Fprint(w, s.refusal.body)
		return
	}
	account, err := s.check(r.PostFormValue("grant_type"), r.PostFormValue("assertion"))
	if err != nil {
		w.WriteHeader(http.StatusBadRequest)
		_ = json.NewEncoder(w).Encode(map[string]string{"error": "invalid_grant", "error_description": err.Error()})
		return
	}
	token := s.issue(account)
	_ = json.NewEncoder(w).Encode(map[string]any{"access_token": token, "token_type": "Bearer", "expires_in": 3600})
}

func (s *TokenServer) issue(account string) string {
	token := "ya29." + rand.Text()
	s.issued[token] = account
	return token
}

// Issue hands out a token of a service account without being asked for it, as a machine's metadata server would.
func (s *TokenServer) Issue(name string) string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.issue(accountName(name))
}

// check verifies a JWT grant and tells whose it is.
func (s *TokenServer) check(grant, assertion string) (string, error) {
	if grant != "urn:ietf:params:oauth:grant-type:jwt-bearer" {
		return "", fmt.Errorf("grant type %q", grant)
	}
	parts := strings.Split(assertion, ".")
	if len(parts) != 3 {
		return "", fmt.Errorf("assertion has %d parts", len(parts))
	}
	var claims struct {
		Issuer   string `json:"iss"`
		Audience string `json:"aud"`
		Scope    string `json:"scope"`
		Expires  int64  `json:"exp"`
	}
	text, err := base64.RawURLEncoding.DecodeString(parts[1])
	if err != nil {
		return "", err
	}
	if err := json.Unmarshal(text, &claims); err != nil {
		return "", err
	}
	key := s.keys[claims.Issuer]
	switch {
	case key == nil:
		return "", fmt.Errorf("account not found: %s", claims.Issuer)
	case claims.Audience != s.Endpoint || !strings.Contains(claims.Scope, "devstorage") || claims.Expires < time.Now().Unix():
		return "", fmt.Errorf("claims %s", text)
	}
	signature, err := base64.RawURLEncoding.DecodeString(parts[2])
	if err != nil {
		return "", err
	}
	digest := sha256.Sum256([]byte(parts[0] + "." + parts[1]))
	if rsa.VerifyPKCS1v15(key, crypto.SHA256, digest[:], signature) != nil {
		return "", fmt.Errorf("invalid JWT signature")
	}
	return claims.Issuer, nil
}
