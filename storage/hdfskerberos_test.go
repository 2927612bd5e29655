package storage_test

import (
	"context"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/jcmturner/gokrb5/v8/keytab"

	"starkeep/storage"
	"starkeep/storage/storagetest"
)

func TestHDFSWithKerberos(t *testing.T) {
	t.Parallel()
	for _, protection := range []string{"authentication", "privacy"} {
		t.Run(protection, func(t *testing.T) {
			cluster := storagetest.StartSecureHDFS(t, protection, "alice", "mallory")
			dir := cluster.Dir(t, "alice")
			cluster.Chmod(t, dir, 0o700)
			s := open(t, cluster.Config(dir, "alice"))
			content := random(1 << 20)
			if err := storage.WriteAll(t.Context(), s, "a/key", content, storage.IfAbsent); err != nil {
				t.Fatal(err)
			}
			if err := s.Copy(t.Context(), "a/key", "copy"); err != nil {
				t.Fatal(err)
			}
			if got, err := storage.ReadAll(t.Context(), s, "copy", 2<<20); err != nil || string(got) != string(content) {
				t.Errorf("got %d bytes, %v", len(got), err)
			}
			if err := s.Delete(t.Context(), "a/key"); err != nil {
				t.Error(err)
			}
			if keys, err := listAll(t.Context(), s, ""); err != nil || len(keys) != 1 {
				t.Errorf("listed %q, %v", keys, err)
			}
			for name, operation := range hdfsOperations(t.Context(), open(t, cluster.Config(dir, "mallory"))) {
				t.Run("mallory's "+name, func(t *testing.T) { refused(t, operation(), storage.ErrDenied, "mallory@"+storagetest.Realm) })
			}
			if protection == "authentication" {
				kerberosRefusals(t, cluster, dir)
			}
		})
	}
}

// kerberosRefusals are logins that fail, the KDC's end at last.
func kerberosRefusals(t *testing.T, cluster storagetest.SecureHDFS, dir string) {
	tests := []struct {
		name   string
		config func(c *storage.HDFS)
		kind   error
		words  []string
	}{
		{"no Kerberos", func(c *storage.HDFS) { *c = storage.HDFS{User: "alice"} }, storage.ErrDenied, []string{"does it ask for Kerberos?"}},
		{"another key", func(c *storage.HDFS) { c.Kerberos.Keytab = keytabOf(t, "alice") }, storage.ErrDenied, []string{"login failed", "alice@"}},
		{"a principal that the KDC does not know", func(c *storage.HDFS) {
			c.Kerberos.Principal, c.Kerberos.Keytab = "eve@"+storagetest.Realm, keytabOf(t, "eve")
		}, storage.ErrDenied, []string{"login failed", "eve@", "PRINCIPAL_UNKNOWN"}},
		{"a NameNode that the KDC does not know", func(c *storage.HDFS) { c.Kerberos.ServicePrincipal = "nn/_HOST" }, storage.ErrDenied, []string{"PRINCIPAL_UNKNOWN"}},
		{"a NameNode without Kerberos", func(c *storage.HDFS) { c.NameNodes = []string{storagetest.StartHDFS(t).Address} }, storage.ErrDenied,
			[]string{"kerberos authentication not supported by namenode"}},
		{"no KDC", func(*storage.HDFS) { cluster.KDC.Stop() }, storage.ErrUnavailable, []string{"KDC"}},
	}
	before := open(t, cluster.Config(dir, "alice"))
	write(t, before, "before", nil)
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			config := cluster.Config(dir, "alice")
			test.config(&config.HDFS)
			s := open(t, config)
			_, err := s.Stat(t.Context(), "before")
			refused(t, err, test.kind, test.words...)
		})
	}
	t.Run("no KDC, and a ticket that is still good", func(t *testing.T) {
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		if _, err := before.Stat(ctx, "before"); err != nil {
			t.Error(err)
		}
	})
}

// keytabOf is a keytab with a key for a user that nobody else knows.
func keytabOf(t *testing.T, user string) string {
	t.Helper()
	keys := keytab.New()
	const aes256 = 18
	if err := keys.AddEntry(user, storagetest.Realm, "guessed", time.Now(), 1, aes256); err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "keytab")
	out, err := os.Create(file)
	if err != nil {
		t.Fatal(err)
	}
	defer out.Close()
	if _, err := keys.Write(out); err != nil {
		t.Fatal(err)
	}
	return file
}

func TestHDFSKerberosSettingsAreChecked(t *testing.T) {
	good := filepath.Join(t.TempDir(), "krb5.conf")
	bad, noKDC := good+".bad", good+".nokdc"
	for file, text := range map[string]string{
		good:  "[libdefaults]\n default_realm = " + storagetest.Realm + "\n[realms]\n " + storagetest.Realm + " = {\n  kdc = localhost:88\n }\n",
		bad:   "[libdefaults]\n clockskew = never\n",
		noKDC: "[libdefaults]\n default_realm = OTHER\n dns_lookup_kdc = false\n[realms]\n " + storagetest.Realm + " = {\n  admin_server = localhost\n }\n",
	} {
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	tests := []struct {
		name     string
		settings storage.Kerberos
		words    string // "": it is taken
	}{
		{"all is well", storage.Kerberos{Keytab: keytabOf(t, "alice"), Config: good}, ""},
		{"no realm", storage.Kerberos{Principal: "alice", Keytab: keytabOf(t, "alice"), Config: good}, "no realm"},
		{"no keytab", storage.Kerberos{Config: good}, "needs a keytab"},
		{"keytab is missing", storage.Kerberos{Keytab: "/does/not/exist", Config: good}, "/does/not/exist"},
		{"keytab is none", storage.Kerberos{Keytab: good, Config: good}, "keytab"},
		{"keytab of somebody else", storage.Kerberos{Keytab: keytabOf(t, "bob"), Config: good}, "holds no key of alice@"},
		{"configuration is missing", storage.Kerberos{Keytab: keytabOf(t, "alice"), Config: "/does/not/exist"}, "/does/not/exist"},
		{"configuration is bad", storage.Kerberos{Keytab: keytabOf(t, "alice"), Config: bad}, "clockskew"},
		{"realm without a KDC", storage.Kerberos{Keytab: keytabOf(t, "alice"), Config: noKDC}, "KDC"},
		{"protection is unknown", storage.Kerberos{Keytab: keytabOf(t, "alice"), Config: good, Protection: "much"}, `"much"`},
		{"protection is not possible", storage.Kerberos{Keytab: keytabOf(t, "alice"), Config: good, Protection: "integrity"}, "privacy"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			if test.settings.Principal == "" {
				test.settings.Principal = "alice@" + storagetest.Realm
			}
			s, err := storage.Open(t.Context(), storage.Config{Location: "hdfs://namenode/dir", HDFS: storage.HDFS{Kerberos: test.settings}})
			if test.words != "" {
				refused(t, err, storage.ErrInvalid, test.words)
			} else if err != nil {
				t.Error(err)
			} else {
				s.Close()
			}
		})
	}
}
