package frame

// Numbers of elements (RFC 5456 8.6, and iana.org/assignments/iax-parameters)
// that need more than the table says.
const (
	idCapability   = 8
	idFormat       = 9
	idAddress      = 18
	idHold         = 26
	idLoss         = 47
	idPreference   = 45
	idVariable     = 52
	idOSP          = 53
	idCallToken    = 54
	idCapability64 = 55
	idFormat64     = 56
)

// table has all elements in the order in which they are written. CALLTOKEN is
// the last: peers replace it in the bytes they sent and expect it at the end.
// It is never written to.
var table = []element{
	number(11, "VERSION", 2, func(e *Elements) *uint16 { return &e.Version }),
	text(1, "CALLED NUMBER", func(e *Elements) *string { return &e.CalledNumber }),
	text(5, "CALLED CONTEXT", func(e *Elements) *string { return &e.CalledContext }),
	text(13, "DNID", func(e *Elements) *string { return &e.DNID }),
	text(28, "RDNIS", func(e *Elements) *string { return &e.RDNIS }),
	text(2, "CALLING NUMBER", func(e *Elements) *string { return &e.CallingNumber }),
	text(4, "CALLING NAME", func(e *Elements) *string { return &e.CallingName }),
	text(3, "CALLING ANI", func(e *Elements) *string { return &e.CallingANI }),
	maybe(38, "CALLING PRESENTATION", 1, func(e *Elements) *Maybe[uint8] { return &e.Presentation }),
	maybe(39, "CALLING TON", 1, func(e *Elements) *Maybe[uint8] { return &e.TypeOfNumber }),
	maybe(40, "CALLING TNS", 2, func(e *Elements) *Maybe[uint16] { return &e.Transit }),
	maybe(57, "CALLING ANI2", 4, func(e *Elements) *Maybe[uint32] { return &e.ANI2 }),
	text(10, "LANGUAGE", func(e *Elements) *string { return &e.Language }),
	flag(25, "AUTOANSWER", func(e *Elements) *bool { return &e.AutoAnswer }),
	number(31, "DATETIME", 4, func(e *Elements) *DateTime { return &e.DateTime }),
	{idVariable, "VARIABLE", readVariable, writeVariables, showText},

	formatElement(idFormat, "FORMAT", func(e *Elements) *Format { return &e.Format }),
	formatElement64(idFormat64, "FORMAT2", func(e *Elements) *Format { return &e.Format }),
	formatElement(idCapability, "CAPABILITY", func(e *Elements) *Format { return &e.Capability }),
	formatElement64(idCapability64, "CAPABILITY2", func(e *Elements) *Format { return &e.Capability }),
	{idPreference, "CODEC PREFS", readPreference, writePreference, showPreference},
	number(41, "SAMPLINGRATE", 2, func(e *Elements) *Rates { return &e.Rates }),
	{idHold, "MUSICONHOLD", readHold, writeHold, showText},

	text(6, "USERNAME", func(e *Elements) *string { return &e.Username }),
	secret(text(7, "PASSWORD", func(e *Elements) *string { return &e.Password })),
	number(14, "AUTHMETHODS", 2, func(e *Elements) *AuthMethods { return &e.AuthMethods }),
	secret(binaryValue(15, "CHALLENGE", func(e *Elements) *[]byte { return &e.Challenge })),
	secret(text(16, "MD5 RESULT", func(e *Elements) *string { return &e.MD5Result })),
	secret(text(17, "RSA RESULT", func(e *Elements) *string { return &e.RSAResult })),
	number(43, "ENCRYPTION", 2, func(e *Elements) *Encryption { return &e.Encryption }),
	secret(binaryValue(44, "ENCRYPTION KEY", func(e *Elements) *[]byte { return &e.EncryptionKey })),

	{idAddress, "APPARENT ADDR", readApparent, writeApparent, showAddress},
	maybe(19, "REFRESH", 2, func(e *Elements) *Maybe[uint16] { return &e.Refresh }),
	maybe(24, "MSGCOUNT", 2, func(e *Elements) *Maybe[uint16] { return &e.MessageCount }),

	text(22, "CAUSE", func(e *Elements) *string { return &e.Cause }),
	maybe(42, "CAUSECODE", 1, func(e *Elements) *Maybe[uint8] { return &e.CauseCode }),
	maybe(23, "IAX UNKNOWN", 1, func(e *Elements) *Maybe[Command] { return &e.UnknownCommand }),
	reported(46, "RR JITTER", 4, func(r *Report) *uint32 { return &r.Jitter }),
	{idLoss, "RR LOSS", readLoss, writeLoss, showNumber},
	reported(48, "RR PKTS", 4, func(r *Report) *uint32 { return &r.Frames }),
	reported(49, "RR DELAY", 2, func(r *Report) *uint16 { return &r.Delay }),
	reported(50, "RR DROPPED", 4, func(r *Report) *uint32 { return &r.Dropped }),
	reported(51, "RR OOO", 4, func(r *Report) *uint32 { return &r.Disordered }),
	maybe(20, "DPSTATUS", 2, func(e *Elements) *Maybe[uint16] { return &e.DialplanStatus }),

	number(21, "CALLNO", 2, func(e *Elements) *uint16 { return &e.CallNumber }),
	number(27, "TRANSFERID", 4, func(e *Elements) *uint32 { return &e.TransferID }),

	maybe(12, "ADSICPE", 2, func(e *Elements) *Maybe[uint16] { return &e.ADSI }),
	text(32, "DEVICETYPE", func(e *Elements) *string { return &e.DeviceType }),
	text(33, "SERVICEIDENT", func(e *Elements) *string { return &e.ServiceIdent }),
	secret(binaryValue(29, "PROVISIONING", func(e *Elements) *[]byte { return &e.Provisioning })),
	secret(binaryValue(30, "AESPROVISIONING", func(e *Elements) *[]byte { return &e.AESProvisioning })),
	maybe(37, "PROVVER", 4, func(e *Elements) *Maybe[uint32] { return &e.ProvisioningVersion }),
	maybe(34, "FIRMWAREVER", 2, func(e *Elements) *Maybe[uint16] { return &e.FirmwareVersion }),
	maybe(35, "FWBLOCKDESC", 4, func(e *Elements) *Maybe[uint32] { return &e.FirmwareBlock }),
	maybeBinary(36, "FWBLOCKDATA", func(e *Elements) *Maybe[[]byte] { return &e.FirmwareData }),
	{idOSP, "OSPTOKEN", readOSP, writeOSP, nil},

	secret(maybeBinary(idCallToken, "CALLTOKEN", func(e *Elements) *Maybe[[]byte] { return &e.CallToken })),
}

// byID finds an element's place in table; 0 where there is none. It is never
// written to once made.
var byID = func() (places [256]*element) {
	for i := range table {
		places[table[i].id] = &table[i]
	}
	return places
}()
