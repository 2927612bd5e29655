package storage

import (
	"cmp"
	"errors"
	"fmt"
	"strings"

	krb "github.com/jcmturner/gokrb5/v8/client"
	"github.com/jcmturner/gokrb5/v8/config"
	"github.com/jcmturner/gokrb5/v8/keytab"
	"github.com/jcmturner/gokrb5/v8/krberror"

	"github.com/colinmarc/hdfs/v2"
	"github.com/colinmarc/hdfs/v2/hadoopconf"
)

// errLogin is a KDC that refuses the principal or its key.
var errLogin = errors.New("Kerberos login failed")

// checkKerberos refuses settings that cannot work, and prepares the others. The KDC is not asked.
func (s *hdfsStore) checkKerberos() error {
	if _, realm, found := strings.Cut(s.login.Principal, "@"); !found || realm == "" {
		return openError("Kerberos principal %q has no realm; give it as user@REALM", s.login.Principal)
	}
	switch s.login.Protection {
	case "", hdfs.DataTransferProtectionAuthentication, hdfs.DataTransferProtectionPrivacy:
	case hdfs.DataTransferProtectionIntegrity:
		// It loses bytes where an answer comes in two pieces.
		return openError("Kerberos protection %q is not possible with the HDFS client library; use authentication or privacy", s.login.Protection)
	default:
		return openError("Kerberos protection %q is not known; use authentication or privacy", s.login.Protection)
	}
	// Without a word on protection the DataNodes' is taken. Only by this way does the library know, as Java does, that DataNodes
	// on privileged ports do without.
	s.options = hdfs.ClientOptionsFromConf(hadoopconf.HadoopConf{"dfs.data.transfer.protection": cmp.Or(s.login.Protection, "authentication")})
	s.options.KerberosServicePrincipleName, _, _ = strings.Cut(cmp.Or(s.login.ServicePrincipal, "nn/_HOST"), "@")
	_, err := s.newKerberosClient()
	return err
}

// newKerberosClient reads the keytab and krb5.conf.
func (s *hdfsStore) newKerberosClient() (*krb.Client, error) {
	if s.login.Keytab == "" {
		return nil, openError("Kerberos principal %s needs a keytab", s.login.Principal)
	}
	keys, err := keytab.Load(s.login.Keytab)
	if err != nil {
		return nil, openError("read Kerberos keytab %s: %v", s.login.Keytab, err)
	}
	file := cmp.Or(s.login.Config, "/etc/krb5.conf")
	settings, err := config.Load(file)
	var unknown config.UnsupportedDirective
	if err != nil && !errors.As(err, &unknown) {
		return nil, openError("read Kerberos configuration %s: %v", file, err)
	}
	name, realm, _ := strings.Cut(s.login.Principal, "@")
	if !holdsKey(keys, s.login.Principal) {
		return nil, openError("keytab %s holds no key of %s", s.login.Keytab, s.login.Principal)
	}
	client := krb.NewWithKeytab(name, realm, keys, settings, krb.DisablePAFXFAST(true))
	if ok, err := client.IsConfigured(); !ok {
		return nil, openError("Kerberos configuration %s: %v", file, err)
	}
	return client, nil
}

func holdsKey(keys *keytab.Keytab, principal string) bool {
	for _, entry := range keys.Entries {
		if strings.Join(entry.Principal.Components, "/")+"@"+entry.Principal.Realm == principal {
			return true
		}
	}
	return false
}

// kerberosClient logs in at the first call. The library's client renews its ticket by itself.
func (s *hdfsStore) kerberosClient() (*krb.Client, error) {
	s.krbMu.Lock()
	defer s.krbMu.Unlock()
	if s.krb != nil {
		return s.krb, nil
	}
	client, err := s.newKerberosClient()
	if err != nil {
		return nil, err
	}
	if err := client.Login(); err != nil {
		client.Destroy()
		var failure krberror.Krberror
		if errors.As(err, &failure) && failure.RootCause == krberror.NetworkingError {
			return nil, fmt.Errorf("reach the KDC of %s: %w", s.login.Principal, err)
		}
		return nil, fmt.Errorf("%w as %s with keytab %s: %w", errLogin, s.login.Principal, s.login.Keytab, err)
	}
	s.krb = client
	return client, nil
}
