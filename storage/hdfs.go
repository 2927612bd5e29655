package storage

import "context"

// HDFS is what an HDFS location needs besides its name.
type HDFS struct {
	User      string   // with simple authentication; empty: the one of the process
	NameNodes []string // host:port of all NameNodes of the nameservice that the location names; empty: the location's own
	// Kerberos replaces User where Principal is set.
	Kerberos Kerberos
}

// Kerberos is how to log in to a secured HDFS.
type Kerberos struct {
	Principal        string // user@REALM
	Keytab           string // file
	Config           string // krb5.conf; empty: /etc/krb5.conf
	ServicePrincipal string // of the NameNodes, as "nn/_HOST"
	// Protection of the data transfer: "authentication", "integrity", "privacy"; empty: as the NameNode says.
	Protection string
}

func openHDFS(context.Context, string, Config) (Store, error) {
	return nil, openError("hdfs:// locations are not built yet")
}
