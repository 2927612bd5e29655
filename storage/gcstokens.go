package storage

import (
	"context"
	"net/http"
	"os"
	"sync"

	"cloud.google.com/go/auth"
	"cloud.google.com/go/auth/credentials"
	raw "google.golang.org/api/storage/v1"
)

// tokens hands out the access tokens that requests are sent with. They are kept until shortly before they expire, or until
// a server refuses them.
type tokens struct {
	make func() (auth.TokenProvider, error)

	mu  sync.Mutex
	now auth.TokenProvider // nil: to be made
}

// newTokens reads a service account's key file; without one the application default credentials are looked for when the
// first token is needed, which may ask the machine's metadata server.
func newTokens(file string, client *http.Client) (*tokens, error) {
	options := credentials.DetectOptions{Scopes: []string{raw.DevstorageReadWriteScope}, Client: client}
	if file == "" {
		return &tokens{make: func() (auth.TokenProvider, error) { o := options; return credentials.DetectDefault(&o) }}, nil
	}
	key, err := os.ReadFile(file)
	if err != nil {
		return nil, openError("service account file: %w", err)
	}
	made := &tokens{make: func() (auth.TokenProvider, error) {
		o := options
		return credentials.NewCredentialsFromJSON(credentials.ServiceAccount, key, &o)
	}}
	if made.now, err = made.make(); err != nil {
		return nil, openError("service account file %s is not a service account's JSON key: %w", file, err)
	}
	return made, nil
}

func (t *tokens) get(ctx context.Context) (auth.TokenProvider, *auth.Token, error) {
	t.mu.Lock()
	if t.now == nil {
		made, err := t.make()
		if err != nil {
			t.mu.Unlock()
			return nil, nil, err
		}
		t.now = made
	}
	now := t.now
	t.mu.Unlock()
	token, err := now.Token(ctx)
	return now, token, err
}

// refused forgets the tokens of a provider of which a server refused one.
func (t *tokens) refused(by auth.TokenProvider) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.now == by {
		t.now = nil
	}
}

// authorized adds the token to each request.
type authorized struct {
	base   http.RoundTripper
	tokens *tokens
}

func (a *authorized) RoundTrip(r *http.Request) (*http.Response, error) {
	provider, token, err := a.tokens.get(r.Context())
	if err != nil {
		if r.Body != nil {
			r.Body.Close()
		}
		return nil, &tokenError{err}
	}
	r = r.Clone(r.Context())
	r.Header.Set("Authorization", "Bearer "+token.Value)
	answer, err := a.base.RoundTrip(r)
	if err == nil && answer.StatusCode == http.StatusUnauthorized {
		a.tokens.refused(provider)
	}
	return answer, err
}

// tokenError says that there was no token to send a request with.
type tokenError struct{ err error }

func (e *tokenError) Unwrap() error { return e.err }

func (e *tokenError) Error() string { return "no access token: " + e.err.Error() }
