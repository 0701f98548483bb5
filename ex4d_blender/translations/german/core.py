# SPDX-License-Identifier: GPL-3.0-or-later
"""Words, errors and notes of what runs without Blender, and of jobs."""

TEXTS = {
    "The backend did not answer any more and was started anew.": (
        "Das Backend antwortete nicht mehr und wurde neu gestartet."
    ),
    "Its jobs go on from their finished stages. Its log may tell why.": (
        "Seine Jobs gehen von ihren fertigen Stufen aus weiter. Vielleicht nennt sein Protokoll den Grund."
    ),
    "preview fill: other frames' background and soft colour, no generative model": (
        "Vorschaufüllung: Hintergrund aus anderen Frames und weiche Farbe, kein generatives Modell"
    ),
    "The backend has not said yet whether it has the {} «{}».": (
        "Das Backend hat noch nicht mitgeteilt, ob es {0:t} «{1}» hat."
    ),
    "It is being asked: try again in a moment.": "Es wird gerade gefragt: gleich noch einmal versuchen.",
    "The backend offers no profile «{}».": "Das Backend bietet kein Profil «{0}» an.",
    "Choose one of its own: {}.": "Eines von seinen wählen: {0}.",
    "The backend offers no depth estimator «{}».": "Das Backend bietet kein Verfahren für Tiefe namens «{0}» an.",
    "Choose one that works there: {}. Diagnose tells what the others need.": (
        "Eines wählen, das dort läuft: {0}. Die Diagnose nennt, was den anderen fehlt."
    ),
    "The backend does not say what it offers.": "Das Backend teilt nicht mit, was es anbietet.",
    "Try again; the backend's log tells why (Diagnose).": (
        "Noch einmal versuchen; das Protokoll des Backends nennt den Grund (Diagnose)."
    ),
    "Colour Spaces": "Farbräume",
    "The points of the floor lie on a line, which does not tell how it is tilted.": (
        "Die Punkte des Bodens liegen auf einer Linie; die sagt nicht, wie er geneigt ist."
    ),
    "Pick three points that make a triangle, as large as the picture allows.": (
        "Drei Punkte wählen, die ein Dreieck bilden, so groß wie das Bild es zulässt."
    ),
    "The source camera lies in the plane of these points, so which side is up cannot be told.": (
        "Die Quellkamera liegt in der Ebene dieser Punkte; so ist nicht zu erkennen, wo oben ist."
    ),
    "Pick the points on what lies below or above the camera.": (
        "Punkte auf etwas wählen, das unter oder über der Kamera liegt."
    ),
    "The way between the two points goes straight up, so it cannot become the {} axis.": (
        "Der Weg zwischen den beiden Punkten geht senkrecht nach oben und kann nicht die {0}-Achse werden."
    ),
    "Pick two points that lie side by side, or align the floor first.": (
        "Zwei Punkte wählen, die nebeneinander liegen, oder zuerst den Boden ausrichten."
    ),
    "That point is not above the floor at Z = 0.": "Dieser Punkt liegt nicht über dem Boden bei Z = 0.",
    "Align the floor first.": "Zuerst den Boden ausrichten.",
    "The two points are one and the same.": "Die beiden Punkte sind ein und derselbe.",
    "Pick two points that are apart.": "Zwei Punkte wählen, die auseinander liegen.",
    "{} points were picked in this shot and {} in the other.": (
        "In diesem Shot wurden {0} Punkte gewählt, im anderen {1}."
    ),
    "Pick the same points, in the same order, in both.": "In beiden dieselben Punkte in derselben Reihenfolge wählen.",
    "Two shots are matched by three pairs of points or more that do not lie on a line.": (
        "Zwei Shots werden durch mindestens drei Punktpaare abgeglichen, die nicht auf einer Linie liegen."
    ),
    "Pick points that make a triangle, as large as the picture allows.": (
        "Punkte wählen, die ein Dreieck bilden, so groß wie das Bild es zulässt."
    ),
    "The shot's root «{}» is mirrored or has no size.": (
        "Die Wurzel «{0}» des Shots ist gespiegelt oder hat keine Größe."
    ),
    "Give it and its parents one positive scale on all axes.": (
        "Ihr und ihren Eltern auf allen Achsen dieselbe positive Skalierung geben."
    ),
    "The shot's root «{}» is scaled unevenly or sheared, and so would be every picture of it.": (
        "Die Wurzel «{0}» des Shots ist ungleichmäßig skaliert oder geschert, und so wäre es jedes Bild von ihm."
    ),
    "Give it and its parents the same scale on all axes.": (
        "Ihr und ihren Eltern auf allen Achsen dieselbe Skalierung geben."
    ),
    "The camera «{}» is scaled to nothing.": "Die Kamera «{0}» ist auf null skaliert.",
    "Give it and its parents a scale above zero on all axes.": (
        "Ihr und ihren Eltern auf allen Achsen eine Skalierung über null geben."
    ),
    "The camera «{}» is mirrored by a negative scale.": (
        "Die Kamera «{0}» ist durch eine negative Skalierung gespiegelt."
    ),
    "Give it and its parents positive scales.": "Ihr und ihren Eltern positive Skalierungen geben.",
    "The camera «{}» is sheared by a parent that is scaled unevenly.": (
        "Die Kamera «{0}» ist durch ein ungleichmäßig skaliertes Elternobjekt geschert."
    ),
    "Give its parents the same scale on all axes, or apply their scale.": (
        "Ihren Eltern auf allen Achsen dieselbe Skalierung geben oder deren Skalierung anwenden."
    ),
    "No backend is installed.": "Es ist kein Backend installiert.",
    "The backend (process {}) does not answer and cannot be ended from here.": (
        "Das Backend (Prozess {0}) antwortet nicht und lässt sich von hier aus nicht beenden."
    ),
    "End that process, or restart the computer.": "Diesen Prozess beenden oder den Rechner neu starten.",
    "The backend has stopped with code {}: {}": "Das Backend ist mit Code {0} beendet: {1:t}",
    "See its log (Diagnose).": "Siehe sein Protokoll (Diagnose).",
    "The backend has not come up in time.": "Das Backend ist nicht rechtzeitig gestartet.",
    "Press Diagnose in the preferences.": "In den Einstellungen «Diagnose» drücken.",
    "it said nothing.": "es hat nichts gemeldet.",
    "Open Preferences, Add-ons, EX-4D and press Install Backend.": (
        "Einstellungen, Add-ons, EX-4D öffnen und «Backend installieren» drücken."
    ),
    "The backend has just failed to start.": "Das Backend ist eben nicht gestartet.",
    "Wait a few seconds, then try again.": "Einige Sekunden warten, dann noch einmal versuchen.",
    "The backend has not come up within {} seconds.": "Das Backend ist nicht innerhalb von {0} Sekunden gestartet.",
    "The backend cannot be started: {}.": "Das Backend kann nicht gestartet werden: {0}.",
    "Antivirus software may block it; Diagnose in the preferences shows more.": (
        "Vielleicht blockiert es ein Virenscanner; die Diagnose in den Einstellungen zeigt mehr."
    ),
    "The backend has not answered for {} seconds.": "Das Backend antwortet seit {0} Sekunden nicht.",
    "Run it again: finished stages are kept. If it stays so, end the backend's process.": (
        "Noch einmal starten: fertige Stufen bleiben erhalten. Bleibt es so, den Prozess des Backends beenden."
    ),
    "The backend's address {} cannot be used: {}.": "Die Adresse {0} des Backends ist nicht benutzbar: {1}.",
    "Restart the backend.": "Das Backend neu starten.",
    "The backend has stopped in the middle of the job.": "Das Backend wurde mitten im Job beendet.",
    "Run it again: finished stages are kept. The backend's log tells why.": (
        "Noch einmal starten: fertige Stufen bleiben erhalten. Das Protokoll des Backends nennt den Grund."
    ),
    "The backend does not take messages any more.": "Das Backend nimmt keine Nachrichten mehr an.",
    "Restart it (Preferences, Stop; it starts by itself).": (
        "Neu starten (Einstellungen, Anhalten; es startet dann von selbst)."
    ),
    "Of it {} from other frames, {} revealed, {} in no frame's view": (
        "Davon {0} aus anderen Frames, {1} freigelegt, {2} in keinem Frame zu sehen"
    ),
    "{} holds no finished take.": "{0} enthält keinen fertigen Take.",
    "Choose a folder such as takes/v001.": "Einen Ordner wie takes/v001 wählen.",
    "This Computer": "Dieser Computer",
    "The Python that the backend was installed with is gone.": (
        "Das Python, mit dem das Backend installiert wurde, ist nicht mehr da."
    ),
    "{} is a file.": "{0} ist eine Datei.",
    "Choose a folder.": "Einen Ordner wählen.",
    "{} is not of ours, and the environment would be made there.": (
        "{0} stammt nicht von EX-4D, und dort entstünde die Umgebung."
    ),
    "Give it another name, or choose an empty folder.": "Einen anderen Namen geben oder einen leeren Ordner wählen.",
    "No folder for the backend is chosen.": "Kein Ordner für das Backend ist gewählt.",
    "{} cannot be read: {}.": "{0} kann nicht gelesen werden: {1}.",
    "Choose another folder.": "Einen anderen Ordner wählen.",
    "{} is not an environment of ours: its {} is damaged or another program's.": (
        "{0} ist keine Umgebung von EX-4D: {1} darin ist beschädigt oder stammt von einem anderen Programm."
    ),
    "Choose an empty folder.": "Einen leeren Ordner wählen.",
    "{} is not empty and not an environment of ours.": "{0} ist nicht leer und keine Umgebung von EX-4D.",
    "The installation was not finished.": "Die Installation wurde nicht abgeschlossen.",
    "{} names {}, which does not exist.": "{0} nennt {1}; das gibt es nicht.",
    "within 5 %": "auf 5 % genau",
    "as given": "wie angegeben",
    "solved to 5 %": "auf 5 % genau gelöst",
    "not observable": "nicht bestimmbar",
    "Taken to stand still.": "Als stillstehend angenommen.",
    "Field of view: {}°, {}.": "Bildwinkel: {0}°, {1:t}.",
    "none of it could be measured, all is estimated": "nichts davon ließ sich messen, alles ist geschätzt",
    "{} is measured, the rest estimated": "{0} sind gemessen, der Rest ist geschätzt",
    "Depth: {}.": "Tiefe: {0:t}.",
    "Laid between other frames: {}.": "Zwischen andere Frames gelegt: {0}.",
    "Lens not told: {}° assumed.": "Objektiv nicht bekannt: {0}° angenommen.",
    "It seems to cut at {}: choose one shot, or separate them.": (
        "Bei {0} scheint ein Schnitt zu sein: einen Shot wählen oder sie trennen."
    ),
    "{} has gaps in its frame numbers.": "{0} hat Lücken in den Framenummern.",
    "Choose a range of frames without gaps.": "Einen Framebereich ohne Lücken wählen.",
    "The clip «{}» is offset by {} frames, and its file has {}.": (
        "Der Clip «{0}» ist um {1} Frames versetzt, seine Datei hat {2}."
    ),
    "Set its Frame Offset to less.": "Seinen Frame-Versatz verkleinern.",
    "The strip «{}» shows none of its frames.": "Der Strip «{0}» zeigt keinen seiner Frames.",
    "Drag its handles, or those of its meta strip.": "Seine Griffe ziehen, oder die seines Meta-Strips.",
    "The strip holds its ends for {} frames; they are not part of the plate.": (
        "Der Strip hält seine Enden für {0} Frames; sie gehören nicht zur Plate."
    ),
    "The strip's strobe is ignored: the plate has every frame.": (
        "Der Strobe-Wert des Strips wird nicht beachtet: die Plate hat jeden Frame."
    ),
    (
        "The strip plays {} frames of the movie in each of the scene's (its playback rate); the plate has all of them, "
        "at the movie's own rate."
    ): (
        "Der Strip spielt {0} Frames des Films je Frame der Szene (seine Abspielrate); die Plate hat alle, in der "
        "Rate des Films."
    ),
    "{} or more": "{0} oder mehr",
    "at most {}": "höchstens {0}",
    "{} to {}": "{0} bis {1}",
    "The option {} takes {}, not «{}».": "Die Option {0} nimmt {1:t}, nicht «{2}».",
    "a whole number": "eine ganze Zahl",
    "a number": "eine Zahl",
    "a number that is finite": "eine endliche Zahl",
    "yes or no": "ja oder nein",
    "a text": "einen Text",
    "Change it.": "Den Wert ändern.",
    "The profile {} has no option «{}».": "Das Profil {0} hat keine Option «{1}».",
    "Write NAME=VALUE; it has: {}.": "Als NAME=WERT schreiben; es gibt: {0}.",
    "one of {}": "eines von {0}",
    "What is done is kept; press Install again to go on. {}": (
        "Was fertig ist, bleibt; «Backend installieren» setzt fort. {0:t}"
    ),
    "{} cannot be used: {}.": "{0} kann nicht benutzt werden: {1}.",
    "{} has failed.": "{0:t} ist gescheitert.",
    "Press Install again. {}": "Noch einmal auf «Backend installieren» drücken. {0:t}",
    "{} was interrupted (signal {}).": "{0:t} wurde abgebrochen (Signal {1}).",
    "Press Install again to go on. {}": "Mit «Backend installieren» fortsetzen. {0:t}",
    "The disk is full.": "Der Datenträger ist voll.",
    "Free some space and press Install again. {}": (
        "Platz schaffen und noch einmal auf «Backend installieren» drücken. {0:t}"
    ),
    "A file cannot be written.": "Eine Datei kann nicht geschrieben werden.",
    "Choose another folder, or close what uses it. {}": (
        "Einen anderen Ordner wählen oder schließen, was sie benutzt. {0:t}"
    ),
    "The path is too long.": "Der Pfad ist zu lang.",
    "Choose a folder with a shorter one. {}": "Einen Ordner mit kürzerem Pfad wählen. {0:t}",
    "The package index cannot be reached.": "Der Paketindex ist nicht erreichbar.",
    "Check the network and proxy, or install from a folder of wheels. {}": (
        "Netzwerk und Proxy prüfen oder aus einem Ordner mit Wheels installieren. {0:t}"
    ),
    "{} is not the file that this extension was tested with.": (
        "{0} ist nicht die Datei, mit der diese Erweiterung getestet wurde."
    ),
    "Get it again from the package index; if that gives the same, do not use it. {}": (
        "Noch einmal vom Paketindex holen; kommt dasselbe, sie nicht benutzen. {0:t}"
    ),
    "{} has no fitting wheel of {}.": "{0} hat kein passendes Wheel von {1}.",
    "Add it, for Python {} on this system. {}": "Eines hinzufügen, für Python {0} auf diesem System. {1:t}",
    "There is no {} for this system and Python.": "Für dieses System und Python gibt es kein {0}.",
    "The backend does not run with Python {}.": "Das Backend läuft nicht mit Python {0}.",
    "Choose another. {}": "Ein anderes wählen. {0:t}",
    "{} is damaged.": "{0:t} ist beschädigt.",
    "Get it again and press Install again. {}": "Noch einmal holen und «Backend installieren» drücken. {0:t}",
    "The packages do not fit together.": "Die Pakete passen nicht zusammen.",
    "Get all wheels anew, or install from the index. {}": "Alle Wheels neu holen oder vom Index installieren. {0:t}",
    "A package": "Ein Paket",
    "{} lies inside Blender's own folder.": "{0} liegt in Blenders eigenem Ordner.",
    "Choose a folder of your own.": "Einen eigenen Ordner wählen.",
    "{} lies inside the extension's folder, which goes with its next update.": (
        "{0} liegt im Ordner der Erweiterung, der mit ihrer nächsten Aktualisierung verschwindet."
    ),
    "The path {} is too long for Windows.": "Der Pfad {0} ist zu lang für Windows.",
    "Choose a shorter one.": "Einen kürzeren wählen.",
    "The path {} contains «{}».": "Der Pfad {0} enthält «{1}».",
    "Choose a folder without it.": "Einen Ordner ohne dieses Zeichen wählen.",
    "There are no packages for «{}».": "Für «{0}» gibt es keine Pakete.",
    "Choose CPU or GPU.": "CPU oder GPU wählen.",
    "{} does not exist.": "{0} gibt es nicht.",
    "Install the extension again from its zip.": "Die Erweiterung noch einmal aus ihrem Zip installieren.",
    "{} is no wheel of ex4d.": "{0} ist kein Wheel von ex4d.",
    "{} holds no wheels.": "{0} enthält keine Wheels.",
    "Choose the folder that the .whl files are in.": "Den Ordner wählen, in dem die .whl-Dateien liegen.",
    "{} is not the wheel that this extension was built with.": (
        "{0} ist nicht das Wheel, mit dem diese Erweiterung gebaut wurde."
    ),
    "{} does not work as a Python.": "{0} läuft nicht als Python.",
    "Choose another Python.": "Ein anderes Python wählen.",
    "{} is Python {}.": "{0} ist Python {1}.",
    "Choose {} or newer.": "{0} oder neuer wählen.",
    "{} is Python {}, which the backend's packages were not tested with.": (
        "{0} ist Python {1}; damit wurden die Pakete des Backends nicht getestet."
    ),
    "Choose {} or older.": "{0} oder älter wählen.",
    "{} has no venv.": "{0} hat kein venv.",
    "Choose another Python; on Debian: apt install python3-venv.": (
        "Ein anderes Python wählen; unter Debian: apt install python3-venv."
    ),
    "{} lies inside the environment's own folder.": "{0} liegt im Ordner der Umgebung selbst.",
    "Choose another place.": "Einen anderen Ort wählen.",
    "{} cannot be run: {}.": "{0} kann nicht ausgeführt werden: {1}.",
    "{} cannot be written: {}.": "{0} kann nicht geschrieben werden: {1}.",
    "Looking at what is there": "Vorhandenes ansehen",
    "Making the environment": "Umgebung anlegen",
    "Installing packages": "Pakete installieren",
    "Installing the backend": "Backend installieren",
    "Removing what was replaced": "Ersetztes entfernen",
    "Press Install again; if that does not help, choose an empty folder. {}": (
        "Noch einmal auf «Backend installieren» drücken; hilft das nicht, einen leeren Ordner wählen. {0:t}"
    ),
    "The log says more: {}": "Das Protokoll sagt mehr: {0}",
    "version {}": "Version {0}",
    "an unknown version": "eine unbekannte Version",
    "The environment has {} of the backend and not {}.": "In der Umgebung ist {0:t} des Backends und nicht {1}.",
    "Another installation into {} is under way.": "Eine andere Installation nach {0} läuft.",
    "Wait for its end. {}": "Ihr Ende abwarten. {0:t}",
    "Free for commercial work": "Frei für kommerzielle Arbeit",
    "Read its licence before commercial work": "Vor kommerzieller Arbeit die Lizenz lesen",
    "Not for commercial work": "Nicht für kommerzielle Arbeit",
    "It needs {}, which the installer does not bring. Get it with: {}.": (
        "Es braucht {0}; das bringt die Installation nicht mit. So ist es zu bekommen: {1}."
    ),
    "about {}": "etwa {0}",
    "several GB": "mehrere GB",
    "on this computer": "auf diesem Computer",
    "paused: {}{} of {}": "angehalten: {0}{1} von {2:t}",
    " {} are here, {} are still to come.": " {0} sind da, {1} kommen noch.",
    "{}. Licence: {}.": "{0:t}. Lizenz: {1}.",
    "To download and on disk: {}.": "Herunterzuladen und auf der Platte: {0:t}.",
    "To download: {}.{}": "Herunterzuladen: {0:t}.{1:t}",
    "It comes from the Hugging Face hub, {}, to {}.": "Es kommt vom Hugging Face Hub, {0}, nach {1}.",
    (
        "Before that the packages that it runs with are installed: {} to download, about twice that on disk. The "
        "backend is stopped for it, and goes on from finished stages."
    ): (
        "Davor werden die Pakete installiert, mit denen es läuft: {0:t} herunterzuladen, etwa doppelt so viel auf "
        "dem Datenträger. Das Backend wird dafür angehalten und macht danach von fertigen Stufen aus weiter."
    ),
    (
        "Its page wants its terms accepted. Accept them there, and start Blender with HF_TOKEN set to a token of "
        "yours; else the download ends with a sentence that says so."
    ): (
        "Seine Seite verlangt, dass man ihre Bedingungen annimmt. Sie dort annehmen und Blender mit HF_TOKEN als "
        "eigenem Token starten; sonst endet das Herunterladen mit einem Satz, der das sagt."
    ),
    (
        "This version of EX-4D does not know its checksums: the newest files are taken and compared with the checksums "
        "that the hub itself tells. Damage on the way is found, a file changed on the hub is not."
    ): (
        "Diese Version von EX-4D kennt seine Prüfsummen nicht: die neuesten Dateien werden genommen und mit den "
        "Prüfsummen verglichen, die der Hub selbst nennt. Schäden unterwegs werden erkannt, eine auf dem Hub "
        "geänderte Datei nicht."
    ),
    "Scene Camera": "Szenenkamera",
    "{} was made by a newer EX-4D and is left alone.": (
        "{0} wurde mit einem neueren EX-4D erstellt und bleibt unverändert."
    ),
    "Update the extension, then open the file again.": (
        "Die Erweiterung aktualisieren, dann die Datei noch einmal öffnen."
    ),
    "{} holds no shot.": "{0} enthält keinen Shot.",
    "Choose the folder that shot.json lies in.": "Den Ordner wählen, in dem shot.json liegt.",
    "{} exists already.": "{0} gibt es schon.",
    "Choose another folder for the shot.": "Einen anderen Ordner für den Shot wählen.",
    "{} lies within the shot itself.": "{0} liegt im Shot selbst.",
    "Choose a folder outside of it.": "Einen Ordner außerhalb wählen.",
    "The link {} leads nowhere.": "Der Link {0} führt ins Leere.",
    "Remove the link, or put back what it led to.": "Den Link entfernen oder wiederherstellen, wohin er führte.",
    "{} changed while it was copied.": "{0} hat sich beim Kopieren geändert.",
    "Try again when its jobs are done.": "Noch einmal versuchen, wenn seine Jobs fertig sind.",
    "The shot cannot be copied to {}: {}.": "Der Shot kann nicht nach {0} kopiert werden: {1}.",
    "Check permissions and free space, or choose another folder.": (
        "Rechte und freien Platz prüfen oder einen anderen Ordner wählen."
    ),
    "The copy of {} differs from it.": "Die Kopie von {0} weicht ab.",
    "Check the disk, then try again.": "Den Datenträger prüfen, dann noch einmal versuchen.",
    "The shot's record lacks a value.": "In den Daten des Shots fehlt ein Wert.",
    "Reconstruct the shot again.": "Den Shot noch einmal rekonstruieren.",
    "The plate's frame {} lies beyond what a Blender scene can show, {}.": (
        "Frame {0} der Plate liegt außerhalb dessen, was eine Blender-Szene zeigen kann, {1}."
    ),
    "Choose another first frame for the shot in the scene.": (
        "Für den Shot einen anderen ersten Frame in der Szene wählen."
    ),
    "The scene renders {}x{} pixels; a take has {} along a side and {} million at most.": (
        "Die Szene rendert {0}x{1} Pixel; ein Take hat höchstens {2} an einer Seite und {3} Millionen."
    ),
    "Match the scene to the plate, or set a smaller resolution or percentage.": (
        "Die Szene an die Plate anpassen oder Auflösung oder Prozentwert verkleinern."
    ),
    "Frames {}-{} are not all within the plate's, {}-{}.": (
        "Die Frames {0}-{1} liegen nicht alle in denen der Plate, {2}-{3}."
    ),
    "Choose frames of the plate, or generate all.": "Frames der Plate wählen oder alle generieren.",
    "The source camera": "Die Quellkamera",
    "The solve in {} is damaged or of another version.": (
        "Die Lösung in {0} ist beschädigt oder aus einer anderen Version."
    ),
    "Fill Profile": "Füllprofil",
    "Viewport mesh": "Viewport-Mesh",
    "Fill movies": "Füllfilme",
    "Clean cache": "Cache aufräumen",
    "Colour spaces": "Farbräume",
    "Free memory": "Speicher freigeben",
    "waiting since {}": "wartet seit {0}",
    "Install the backend again (Preferences, Install Backend).": (
        "Das Backend noch einmal installieren (Einstellungen, Backend installieren)."
    ),
    "Update the extension, or install the backend of the extension's version (Preferences, Install Backend).": (
        "Die Erweiterung aktualisieren oder das Backend in der Version der Erweiterung installieren (Einstellungen, "
        "Backend installieren)."
    ),
    "The backend is version {}, the extension version {}.": "Das Backend hat Version {0}, die Erweiterung Version {1}.",
    "The backend speaks {}, the extension {}: they cannot work together.": (
        "Das Backend spricht {0}, die Erweiterung {1}: sie können nicht zusammenarbeiten."
    ),
    " with its GPU packages": " mit seinen GPU-Paketen",
    " with its GPU packages and MoGe's": " mit seinen GPU-Paketen und denen von MoGe",
    "The backend is being installed.": "Das Backend wird gerade installiert.",
    "{} names the backend's Python: {}": "{0} nennt das Python des Backends: {1}",
    "Backend {} is installed{}.": "Backend {0} ist installiert{1:t}.",
    "Choose one in the preferences.": "Eines in den Einstellungen wählen.",
    "The extension lacks the backend's wheel.": "Der Erweiterung fehlt das Wheel des Backends.",
    "Blender may not go online, and the backend's packages come from the Python package index.": (
        "Blender darf nicht online gehen, und die Pakete des Backends kommen vom Python-Paketindex."
    ),
    "Allow it in Preferences, System, Network, or choose a folder of wheels.": (
        "In Einstellungen, System, Netzwerk erlauben oder einen Ordner mit Wheels wählen."
    ),
    "The job «{}» has no result.": "Der Job «{0}» hat kein Ergebnis.",
    "Update the extension.": "Die Erweiterung aktualisieren.",
    "Import Shot": "Shot importieren",
    "Place Take": "Take einsetzen",
    "The scene «{}» has a profile by the number {}, which none is known to have.": (
        "Die Szene «{0}» hat ein Profil mit der Nummer {1}, die keines hat."
    ),
    "The scene «{}» has a source of depth by a number that none is known to have.": (
        "Die Szene «{0}» hat eine Quelle der Tiefe mit einer Nummer, die keine hat."
    ),
    "The camera of the take «{}» is missing: choose one, or remove the take.": (
        "Die Kamera des Takes «{0}» fehlt: eine wählen oder den Take entfernen."
    ),
    "What the scene «{}» knows of its takes": "Was die Szene «{0}» über ihre Takes weiß",
    "Download {}": "{0} herunterladen",
    "Blender may not go online: allow it in Preferences, System, Network.": (
        "Blender darf nicht online gehen: in Einstellungen, System, Netzwerk erlauben."
    ),
    "The backend's Python is not of the add-on's making. Install there: {}.": (
        "Das Python des Backends wurde nicht vom Add-on angelegt. Dort installieren: {0}."
    ),
    "An installation is under way.": "Eine Installation läuft.",
    "{} cannot be downloaded.": "{0} kann nicht heruntergeladen werden.",
    "{} is being downloaded.": "{0} wird gerade heruntergeladen.",
    "Wait for its end, or pause it.": "Das Ende abwarten oder anhalten.",
    "The extension's folder cannot be written: {}.": "Der Ordner der Erweiterung kann nicht geschrieben werden: {0}.",
    "Check the permissions of Blender's user folder.": "Die Rechte von Blenders Benutzerordner prüfen.",
    "Rendering": "Rendern",
    "Depth": "Tiefe",
    "Fill": "Füllung",
    "Movies": "Filme",
    "Moves": "Bewegt sich",
    "Move": "Fahrt",
    "Seed": "Startwert",
    "Finished": "Fertig",
    "Reconstruct": "Rekonstruieren",
    "Render": "Rendern",
    "Preview": "Vorschau",
    "Run": "Ausführen",
    "Export": "Exportieren",
    "Check": "Prüfen",
    "Generate": "Generieren",
    "Models": "Modelle",
    "Download": "Herunterladen",
    "Diagnose": "Diagnose",
    "A {} of {} is none.": "{0:t}: {1} ist nicht möglich.",
    "Give the {} as a number above zero.": "{0:t}: eine Zahl über null angeben.",
    "height": "Höhe",
    "length": "Länge",
    "Stands still.": "Steht still.",
    "Turns on its place.": "Dreht sich auf der Stelle.",
    "Moves.": "Bewegt sich.",
    "frames {}": "Frames {0}",
    "frames {} and {} more": "Frames {0} und {1} weitere",
    "solved": "gelöst",
    "done in {}": "fertig in {0}",
    "done": "fertig",
    "paused": "angehalten",
    "cancelled": "abgebrochen",
    "failed": "gescheitert",
    "waiting": "wartet",
    "stopping": "wird angehalten",
    "{} {} of {}": "{0:t} {1} von {2}",
    "{} {}/{}": "{0:t} {1}/{2}",
    "{}, {} left": "{0:t}, noch {1}",
    "{}, {}": "{0:t}, {1}",
    "profile": "das Profil",
    "estimator": "das Tiefenverfahren",
    "{} (GPU {})": "{0:t} (GPU {1})",
    "GPU {}: {}": "GPU {0}: {1}",
    "{} (GPUs {})": "{0:t} (GPUs {1})",
    "Project take": "Take projizieren",
    "Worker {}": "Worker {0}",
    "{} (worker {})": "{0:t} (Worker {1})",
    "{}, does jobs": "{0:t}, nimmt Jobs an",
    "{}, starting": "{0:t}, startet",
    "Generate the take again, then project it.": "Den Take neu generieren, dann projizieren.",
    "Project Take": "Take projizieren",
    "Preview Take": "Vorschau des Takes",
    "The shot was reconstructed anew meanwhile.": "Der Shot wurde inzwischen neu rekonstruiert.",
}
