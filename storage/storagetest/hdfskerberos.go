package storagetest

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/colinmarc/hdfs/v2"
	krb "github.com/jcmturner/gokrb5/v8/client"
	"github.com/jcmturner/gokrb5/v8/config"
	"github.com/jcmturner/gokrb5/v8/keytab"

	"starkeep/storage"
)

// Realm of SecureHDFS.
const Realm = "STARKEEP.TEST"

// SecureHDFS is an HDFS that believes nobody without Kerberos, and the KDC that it believes.
type SecureHDFS struct {
	HDFS
	Krb5Conf string // file
	Keytab   string // file with the keys of all users
	KDC      *KDC
}

// KDC hands out tickets.
type KDC struct{ process *javaProcess }

// Stop ends the KDC.
func (k *KDC) Stop() { k.process.end() }

// StartSecureHDFS starts a KDC with the users, and a cluster like StartHDFS's, for the length of the test. protection is
// what the DataNodes ask for: "authentication", "integrity" or "privacy", by AES; the RPC asks for the same.
func StartSecureHDFS(t testing.TB, protection string, users ...string) SecureHDFS {
	t.Helper()
	java, dir := findJava(t), t.TempDir()
	s := SecureHDFS{Krb5Conf: filepath.Join(dir, "krb5.conf"), Keytab: filepath.Join(dir, "keytab")}
	s.KDC = startKDC(t, java, dir, append([]string{"hdfs/localhost", "HTTP/localhost", HDFSSuperuser}, users...))
	java = append(java[:len(java):len(java)], "-Djava.security.krb5.conf="+s.Krb5Conf)
	p, address, err := startMiniCluster(java, s.settings(protection)...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(p.end)
	_, port, _ := strings.Cut(address, ":")
	s.Address, s.process = "localhost:"+port, p // tickets are for names
	s.admin, err = s.client(HDFSSuperuser, protection)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.admin.Close() })
	return s
}

func (s SecureHDFS) settings(protection string) []string {
	settings := []string{
		"hadoop.security.authentication=kerberos", "hadoop.rpc.protection=" + protection, "dfs.data.transfer.protection=" + protection,
		"dfs.encrypt.data.transfer.cipher.suites=AES/CTR/NoPadding",
		"dfs.block.access.token.enable=true", "ignore.secure.ports.for.testing=true",
		"dfs.web.authentication.kerberos.principal=HTTP/localhost@" + Realm, "dfs.web.authentication.kerberos.keytab=" + s.Keytab,
	}
	for _, node := range []string{"namenode", "datanode"} {
		settings = append(settings, "dfs."+node+".kerberos.principal=hdfs/localhost@"+Realm, "dfs."+node+".keytab.file="+s.Keytab,
			"dfs."+node+".kerberos.internal.spnego.principal=HTTP/localhost@"+Realm)
	}
	return settings
}

// startKDC starts Hadoop's KDC for tests; its keys and its krb5.conf are then in dir.
func startKDC(t testing.TB, java []string, dir string, principals []string) *KDC {
	t.Helper()
	organization, domain, _ := strings.Cut(Realm, ".")
	properties := fmt.Sprintf("org.name=%s\norg.domain=%s\nkdc.bind.address=localhost\nkdc.port=0\ninstance=DefaultKrbServer\n"+
		"max.ticket.lifetime=86400000\nmax.renewable.lifetime=604800000\ntransport=TCP\ndebug=false\n", organization, domain)
	file := filepath.Join(dir, "properties")
	if err := os.WriteFile(file, []byte(properties), 0o600); err != nil {
		t.Fatal(err)
	}
	args := append([]string{"org.apache.hadoop.minikdc.MiniKdc", dir, file, filepath.Join(dir, "keytab")}, principals...)
	p, err := startJava(java, args...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(p.end)
	err = p.await("a KDC", func() bool {
		log, err := os.ReadFile(filepath.Join(p.dir, "log"))
		return err == nil && strings.Contains(string(log), "created keytab")
	})
	if err != nil {
		t.Fatal(err)
	}
	return &KDC{process: p}
}

func (s SecureHDFS) client(user, protection string) (*hdfs.Client, error) {
	keys, err := keytab.Load(s.Keytab)
	if err != nil {
		return nil, err
	}
	settings, err := config.Load(s.Krb5Conf)
	if err != nil {
		return nil, err
	}
	return hdfs.NewClient(hdfs.ClientOptions{
		Addresses: []string{s.Address}, KerberosClient: krb.NewWithKeytab(user, Realm, keys, settings), KerberosServicePrincipleName: "hdfs/_HOST",
		DataTransferProtection: protection,
	})
}

// Config is a location as a user sees it who logs in with the keytab.
func (s SecureHDFS) Config(dir, user string) storage.Config {
	return storage.Config{Location: "hdfs://" + s.Address + dir, HDFS: storage.HDFS{Kerberos: storage.Kerberos{
		Principal: user + "@" + Realm, Keytab: s.Keytab, Config: s.Krb5Conf, ServicePrincipal: "hdfs/_HOST",
	}}}
}
