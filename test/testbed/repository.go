package testbed

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"starkeep/starrocks"
	"starkeep/storage"
	"starkeep/storage/storagetest"
	"starkeep/test/starrockssim"
	"starkeep/worker/config"
)

// Repository is a further repository profile of a bed: the two ways to one place, the worker's and StarRocks'.
type Repository struct {
	Name  string            // of the profile; also in StarRocks unless YAML says nativeName
	YAML  string            // the profile's keys, not indented
	Files map[string]string // secrets, by the names under which YAML refers to them: file:<name>
	// Store is the place with all rights, for the test itself.
	Store storage.Config
	// Native is how the simulator reaches the place where it cannot do so by the properties of CREATE REPOSITORY; nil: it can.
	Native func() (storage.Store, error)
	// Secrets must be seen nowhere.
	Secrets []string
}

// profile is the repository's part of the configuration.
func (r Repository) profile() string {
	lines := strings.Split(strings.TrimSpace(r.YAML), "\n")
	return "  " + r.Name + ":\n    " + strings.Join(lines, "\n    ") + "\n"
}

// openNative opens the stores of the bed's repositories for the simulator.
func openNative(list []Repository) func(string, map[string]string) (storage.Store, error) {
	return func(location string, properties map[string]string) (storage.Store, error) {
		for _, r := range list {
			_, rest, _ := strings.Cut(r.Store.Location, "://")
			if r.Native != nil && strings.HasSuffix(location, "://"+rest) {
				return r.Native()
			}
		}
		return starrockssim.OpenStore(location, properties)
	}
}

// CreateRepository creates the repository of a profile in StarRocks, with what the configuration derives for it.
func (b *Bed) CreateRepository(t testing.TB, name string) error {
	t.Helper()
	c, err := config.Load(b.Config)
	if err != nil {
		t.Fatal(err)
	}
	p := c.Repositories[name]
	properties, err := p.NativeProperties()
	if err != nil {
		t.Fatal(err)
	}
	settings, err := c.Clusters[ClusterName].Client()
	if err != nil {
		t.Fatal(err)
	}
	fe, err := starrocks.Open(settings)
	if err != nil {
		t.Fatal(err)
	}
	defer fe.Close()
	return fe.CreateRepository(t.Context(), starrocks.RepositoryStatement{Name: p.NativeName, Location: p.NativeLocation(), Properties: properties})
}

// S3Repository is in the server's bucket, with the keys of the server's user.
func S3Repository(name string, s storagetest.Server) Repository {
	c := s.Config(name)
	return Repository{
		Name: name, Store: c, Secrets: []string{s.SecretKey},
		Files: map[string]string{name + "-access": s.AccessKey, name + "-secret": s.SecretKey},
		YAML:  s3YAML(c) + fmt.Sprintf("  accessKey: file:%s-access\n  secretKey: file:%s-secret\n", name, name),
	}
}

func s3YAML(c storage.Config) string {
	return fmt.Sprintf("location: %s\ns3:\n  endpoint: %s\n  region: %s\n  pathStyle: true\n", c.Location, c.S3.Endpoint, c.S3.Region)
}

// FileRepository is a directory that the worker and StarRocks both see.
func FileRepository(t testing.TB, name string) Repository {
	t.Helper()
	dir := filepath.Join(t.TempDir(), name)
	if err := os.Mkdir(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	return Repository{Name: name, Store: storage.Config{Location: "file://" + dir}, YAML: "location: file://" + dir}
}
