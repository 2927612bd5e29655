package config

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"strings"
)

// maxSecret bounds a secret's file, in bytes.
const maxSecret = 64 << 10

// Secret refers to a secret, which is not part of the configuration: "env:NAME" or "file:PATH". The zero value is no
// secret at all. It is read anew by each Value, so a file may be replaced while the worker runs; a cluster or store
// that is already open keeps what it was opened with.
type Secret struct {
	env, file string
}

var (
	envName = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_]*$`)

	errLiteral = errors.New("a secret is given by reference only: env:NAME or file:PATH. " +
		"What stands there is not shown; if it is a real secret, replace it where it is in use")
	errNoEnvName = errors.New("env: wants the name of an environment variable after it (what stands there is not shown)")
	errNoFile    = errors.New("file: wants a path after it")
)

// parseSecret reads a reference; relative paths start at dir. Errors never hold the text.
func parseSecret(text, dir string) (Secret, error) {
	if name, ok := strings.CutPrefix(text, "env:"); ok {
		if !envName.MatchString(name) {
			return Secret{}, errNoEnvName
		}
		return Secret{env: name}, nil
	}
	if path, ok := strings.CutPrefix(text, "file:"); ok {
		if path == "" || strings.ContainsRune(path, 0) {
			return Secret{}, errNoFile
		}
		if !filepath.IsAbs(path) {
			path = filepath.Join(dir, path)
		}
		return Secret{file: path}, nil
	}
	return Secret{}, errLiteral
}

// IsSet tells whether the configuration refers to a secret at all.
func (s Secret) IsSet() bool { return s != Secret{} }

// String is the reference, never the secret.
func (s Secret) String() string {
	switch {
	case s.env != "":
		return "env:" + s.env
	case s.file != "":
		return "file:" + s.file
	}
	return ""
}

// MarshalText makes `config show` print the reference.
func (s Secret) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

// Value reads the secret; "" if none is referred to. One line ending at its end is left out. A missing, empty or
// unreadable secret is an error that names the reference.
func (s Secret) Value() (string, error) {
	switch {
	case s.env != "":
		value := os.Getenv(s.env)
		if value == "" {
			return "", fmt.Errorf("secret %s: the environment variable is not set", s)
		}
		return value, nil
	case s.file != "":
		return s.read()
	}
	return "", nil
}

func (s Secret) read() (string, error) {
	f, err := os.Open(s.file)
	if err != nil {
		return "", fmt.Errorf("secret %s: %w", s, err)
	}
	defer f.Close()
	data, err := io.ReadAll(io.LimitReader(f, maxSecret+1))
	if err != nil {
		return "", fmt.Errorf("secret %s: %w", s, err)
	}
	if len(data) > maxSecret {
		return "", fmt.Errorf("secret %s: the file is larger than %d KiB", s, maxSecret>>10)
	}
	value := strings.TrimSuffix(strings.TrimSuffix(string(data), "\n"), "\r")
	if value == "" {
		return "", fmt.Errorf("secret %s: the file is empty", s)
	}
	return value, nil
}
