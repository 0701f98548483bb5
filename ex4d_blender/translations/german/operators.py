# SPDX-License-Identifier: GPL-3.0-or-later
"""Names and tooltips of operators, and what they say."""

TEXTS = {
    "Pick three points on the floor: the shot is turned and moved as a whole until it lies at Z = 0": (
        "Drei Punkte auf dem Boden wählen: der Shot wird als Ganzes gedreht und verschoben, bis der Boden bei Z = 0 "
        "liegt"
    ),
    "Pick one point: the shot is moved as a whole until it lies in Blender's origin": (
        "Einen Punkt wählen: der Shot wird als Ganzes verschoben, bis der Punkt in Blenders Ursprung liegt"
    ),
    "Pick two points on a line: the shot is turned as a whole until that line goes along the axis": (
        "Zwei Punkte auf einer Linie wählen: der Shot wird als Ganzes gedreht, bis sie entlang der Achse läuft"
    ),
    "Pick two points whose distance is known, such as foot and head of a person: the shot is scaled as a whole": (
        "Zwei Punkte mit bekanntem Abstand wählen, etwa Fuß und Kopf einer Person: der Shot wird als Ganzes skaliert"
    ),
    "Camera Height": "Kamerahöhe",
    (
        "Scale the shot as a whole so that the source camera, at this frame, stands so high above Z = 0. Align the "
        "floor first"
    ): (
        "Den Shot als Ganzes so skalieren, dass die Quellkamera in diesem Frame so hoch über Z = 0 steht. Zuerst den "
        "Boden ausrichten"
    ),
    "Reset World": "Welt zurücksetzen",
    "Put the shot back to where it came: its first camera in the origin, one unit as it was solved": (
        "Den Shot dahin zurücksetzen, wo er herkam: erste Kamera im Ursprung, Einheit wie gelöst"
    ),
    (
        "Pick three points that can be found in another shot of the same place. Picked there too, in the same order, "
        "they tell how the two shots stand to each other"
    ): (
        "Drei Punkte wählen, die auch in einem anderen Shot desselben Ortes zu finden sind. Dort in derselben "
        "Reihenfolge gewählt, zeigen sie, wie die beiden Shots zueinander stehen"
    ),
    "Same World As": "Gleiche Welt wie",
    "Let this shot stand in the world of another shot of the same place": (
        "Diesen Shot in die Welt eines anderen Shots desselben Ortes stellen"
    ),
    "The second point lies to the first one's right": "Der zweite Punkt liegt rechts vom ersten",
    "The second point lies to the first one's left": "Der zweite Punkt liegt links vom ersten",
    "The second point lies behind the first": "Der zweite Punkt liegt hinter dem ersten",
    "The second point lies before the first": "Der zweite Punkt liegt vor dem ersten",
    "The second point lies right above the first, such as on the edge of a wall": (
        "Der zweite Punkt liegt senkrecht über dem ersten, etwa an einer Mauerkante"
    ),
    "The second point lies right below the first": "Der zweite Punkt liegt senkrecht unter dem ersten",
    "As the other shot's root stands: both were solved in one world, or filmed from one place": (
        "Wie die Wurzel des anderen Shots steht: beide wurden in einer Welt gelöst oder von einem Ort gefilmt"
    ),
    "By three landmarks that were picked in both, in the same order": (
        "Durch drei Landmarken, die in beiden in derselben Reihenfolge gewählt wurden"
    ),
    "the floor, where the origin is to be": "den Boden, wo der Ursprung sein soll",
    "the floor, along X from there": "den Boden, von dort entlang X",
    "the floor, aside from both": "den Boden, neben beiden",
    "what is to lie in the origin": "was im Ursprung liegen soll",
    "where the axis begins": "den Anfang der Achse",
    "where it leads to": "wohin die Achse führt",
    "one end of what is known": "ein Ende der bekannten Länge",
    "its other end": "ihr anderes Ende",
    "the first landmark": "die erste Landmarke",
    "the second landmark": "die zweite Landmarke",
    "the third landmark": "die dritte Landmarke",
    "Stand as this shot of the scene {}": "Wie dieser Shot der Szene {0} stehen",
    "The pairs lie {} apart in the mean square, {} at most: {} of the distance between them.": (
        "Die Paare liegen im quadratischen Mittel {0} auseinander, höchstens {1}: {2} ihres Abstands."
    ),
    "The source camera stands {} above Z = 0.": "Die Quellkamera steht {0} über Z = 0.",
    "Origin and X Axis": "Ursprung und X-Achse",
    (
        "The first point becomes the origin, and the second lies along X. Else the shot is levelled only, and stays "
        "where it is"
    ): (
        "Der erste Punkt wird der Ursprung, der zweite liegt entlang X. Sonst wird der Shot nur waagerecht gestellt "
        "und bleibt, wo er ist"
    ),
    "Keep Height": "Höhe behalten",
    "The point comes to lie above or below the origin, as high as it is": (
        "Der Punkt kommt über oder unter dem Ursprung zu liegen, so hoch wie er ist"
    ),
    "Where the second point lies, seen from the first": "Wo der zweite Punkt liegt, vom ersten aus gesehen",
    "How far apart the two points are": "Abstand der beiden Punkte",
    "How high the camera stood above the floor": "Wie hoch die Kamera über dem Boden stand",
    "What tells how the two shots stand to each other": "Woran zu erkennen ist, wie die beiden Shots zueinander stehen",
    "There is no other shot in this file.": "In dieser Datei gibt es keinen anderen Shot.",
    "Reconstruct, append or link one.": "Einen rekonstruieren, anhängen oder verknüpfen.",
    "The shot «{}» has no landmarks.": "Der Shot «{0}» hat keine Landmarken.",
    "Pick three in each of both shots.": "In jedem der beiden Shots drei wählen.",
    "Install Backend": "Backend installieren",
    (
        "Install the backend into an environment of its own, or bring it up to date. A stopped installation goes on "
        "where it was"
    ): (
        "Das Backend in eine eigene Umgebung installieren oder aktualisieren. Eine angehaltene Installation geht "
        "weiter, wo sie war"
    ),
    "Stop Installing": "Installation anhalten",
    "Stop the installation; pressing Install again goes on": (
        "Die Installation anhalten; «Backend installieren» setzt sie fort"
    ),
    "Start the backend now, so that the first job finds it warm": (
        "Das Backend jetzt starten, damit der erste Job nicht darauf wartet"
    ),
    "End the backend. Running jobs are cancelled; their finished stages are kept": (
        "Das Backend beenden. Laufende Jobs werden abgebrochen; ihre fertigen Stufen bleiben erhalten"
    ),
    "Tell what this machine can do and why not more, with the licence of each part": (
        "Zeigen, was dieser Rechner kann und warum nicht mehr, mit der Lizenz jedes Teils"
    ),
    "Copy what was found, without your name, to the clipboard": (
        "Das Ergebnis ohne Benutzernamen in die Zwischenablage kopieren"
    ),
    "Free Memory": "Speicher freigeben",
    "Give back all memory that the backend holds on computer and graphics card, after the running job": (
        "Allen Speicher freigeben, den das Backend in Rechner und Grafikkarte hält, nach dem laufenden Job"
    ),
    "An installation is under way": "Eine Installation läuft",
    "The installation is stopped; Install Backend goes on where it was": (
        "Die Installation ist angehalten; «Backend installieren» setzt sie fort"
    ),
    "The backend does not run": "Das Backend läuft nicht",
    "Press Diagnose first": "Zuerst «Diagnose» drücken",
    "The diagnosis is in the clipboard": "Die Diagnose ist in der Zwischenablage",
    "The backend does not run, so it holds no memory": "Das Backend läuft nicht, hält also keinen Speicher",
    "Mesh in CG": "Mesh in der CG",
    "Say what the mesh is to your own objects: what catches shadows, holds out or takes light": (
        "Festlegen, was das Mesh für eigene Objekte ist: Schattenfänger, Holdout oder beleuchtet"
    ),
    "Set Up Compositing": "Compositing einrichten",
    "Build view layers, and compositor nodes, that put CG into the plate": (
        "View Layer und Compositor-Nodes anlegen, die CG in die Plate setzen"
    ),
    "Shadow Catcher": "Schattenfänger",
    "Shadows of other objects fall on the mesh, and only they are rendered": (
        "Schatten anderer Objekte fallen auf das Mesh, und nur sie werden gerendert"
    ),
    "The mesh cuts a hole into what is behind it": "Das Mesh schneidet ein Loch in das, was hinter ihm liegt",
    "The scene's lights fall on the mesh, under the plate's own light": (
        "Die Lichter der Szene beleuchten das Mesh, zum Licht der Plate hinzu"
    ),
    "Set Up Shadow Pass": "Schatten-Pass einrichten",
    (
        "Add two view layers: CG, cut by the mesh where it is in front, and its shadows on the mesh, and render with "
        "Cycles. Your view layers stay"
    ): (
        "Zwei View Layer anlegen: CG, vom Mesh verdeckt, wo es davor liegt, und ihre Schatten auf dem Mesh, und mit "
        "Cycles rendern. Eigene View Layer bleiben"
    ),
    (
        "Add the view layers of Set Up Shadow Pass, and compositor nodes that lay CG and shadows over the plate, or "
        "over the newest version of the take whose camera is the scene's"
    ): (
        "Die View Layer des Schatten-Passes anlegen, dazu Compositor-Nodes, die CG und Schatten über die Plate legen "
        "oder über die neueste Version des Takes, dessen Kamera die der Szene ist"
    ),
    "The mesh of «{}» was deleted.": "Das Mesh von «{0}» wurde gelöscht.",
    "Of the scene's light on the mesh; 1: as much as the plate's colours throw back": (
        "Stärke des Szenenlichts auf dem Mesh; 1: so viel, wie die Farben der Plate zurückwerfen"
    ),
    "Render with These Nodes": "Mit diesen Nodes rendern",
    "Your own nodes stay in the file; their output is not rendered until you choose it again": (
        "Eigene Nodes bleiben in der Datei; ihre Ausgabe wird erst wieder gerendert, wenn sie gewählt wird"
    ),
    "The scene has compositor nodes of your own. They stay.": "Die Szene hat eigene Compositor-Nodes. Sie bleiben.",
    "Renders with Cycles now, which alone catches shadows, with {} samples.": (
        "Gerendert wird jetzt mit Cycles, das allein Schatten fängt, mit {0} Samples."
    ),
    "Renders with Cycles now, which alone catches shadows, with your {} samples.": (
        "Gerendert wird jetzt mit Cycles, das allein Schatten fängt, mit den eingestellten {0} Samples."
    ),
    "CG and shadows go over «{}».": "CG und Schatten liegen über «{0}».",
    "Also rendered: {}. Untick «Use for Rendering» to save time.": (
        "Auch gerendert: {0}. «Für Rendern verwenden» abwählen spart Zeit."
    ),
    "The scene's camera, {}, is neither the source camera nor a take's.": (
        "Die Kamera der Szene, {0}, ist weder die Quellkamera noch die eines Takes."
    ),
    "Look through the source camera for the plate, or through a finished take's.": (
        "Für die Plate durch die Quellkamera blicken, sonst durch die eines fertigen Takes."
    ),
    "The take «{}», whose camera is the scene's, is not there yet.": (
        "Den Take «{0}», dessen Kamera die der Szene ist, gibt es noch nicht."
    ),
    "Generate it, or make the source camera the scene's for the plate.": (
        "Ihn generieren oder für die Plate die Quellkamera zur Kamera der Szene machen."
    ),
    "Clean Cache": "Cache aufräumen",
    "Ask what of the shot's folder can be made again; what it is and how large is told before anything goes": (
        "Fragen, was im Ordner des Shots neu erzeugt werden kann; was es ist und wie groß, wird gezeigt, bevor etwas "
        "gelöscht wird"
    ),
    "Remove what of the shot's folder can be made again; takes, and what this file shows, stay": (
        "Entfernen, was im Ordner des Shots neu erzeugt werden kann; Takes und was diese Datei zeigt, bleiben"
    ),
    "{} can be made again. These folders of {}/cache go:": (
        "{0} können neu erzeugt werden. Diese Ordner in {1}/cache werden gelöscht:"
    ),
    "Takes, the mesh, and what this file shows stay.": "Takes, das Mesh und was diese Datei zeigt, bleiben.",
    "Mask and colour strips of other files may show a rendering that goes.": (
        "Masken- und Farb-Strips anderer Dateien zeigen vielleicht ein Rendering, das gelöscht wird."
    ),
    "Nobody has looked at the cache yet.": "Der Cache wurde noch nicht angesehen.",
    "Press Clean Cache in the panel.": "«Cache aufräumen» im Panel drücken.",
    "There is nothing that can go.": "Es gibt nichts zu löschen.",
    "Close Slits": "Schlitze schließen",
    (
        "Show the whole plate through the source camera, and holes in Solid mode. Renders through the source camera "
        "change"
    ): (
        "Durch die Quellkamera die ganze Plate zeigen, im Solid-Modus die Löcher. Renderings durch die Quellkamera "
        "ändern sich"
    ),
    "The shot's mesh has no slits.": "Das Mesh des Shots hat keine Schlitze.",
    "Load a plate and reconstruct it first": "Zuerst eine Plate laden und rekonstruieren",
    "EX-4D Error": "EX-4D-Fehler",
    "Show the last error, to read, copy or save it": "Den letzten Fehler zeigen, zum Lesen, Kopieren oder Speichern",
    "Close this message; its text stays in the list of jobs and in the logs": (
        "Diese Meldung schließen; ihr Text bleibt in der Jobliste und in den Protokollen"
    ),
    "Copy the error, with versions and without your name, to the clipboard": (
        "Den Fehler mit Versionen und ohne Benutzernamen in die Zwischenablage kopieren"
    ),
    "Save as Text": "Als Text speichern",
    "Save the error, with versions and without your name, to a text file": (
        "Den Fehler mit Versionen und ohne Benutzernamen in einer Textdatei speichern"
    ),
    "Open the folder with the backend's logs": "Den Ordner mit den Protokollen des Backends öffnen",
    "There was no error": "Es gab keinen Fehler",
    "{} cannot be written: {}. Choose another folder.": (
        "{0} kann nicht geschrieben werden: {1}. Einen anderen Ordner wählen."
    ),
    "Render the take, fill what the plate never showed, and put the result into the sequencer": (
        "Den Take rendern, füllen, was die Plate nie gezeigt hat, und das Ergebnis in den Sequencer setzen"
    ),
    "Redo with This Take's Settings": "Wiederholen wie dieser Take",
    "Generate the selected strip's take again, with the camera and settings it was made with": (
        "Den Take des gewählten Strips noch einmal generieren, mit seiner damaligen Kamera und seinen Einstellungen"
    ),
    "Show Options": "Optionen anzeigen",
    "Show the options of the chosen profile, which the chosen take keeps": (
        "Die Optionen des gewählten Profils zeigen; der gewählte Take behält sie"
    ),
    "Import Take": "Take importieren",
    "Put a take that was delivered earlier, such as takes/v001, into the sequencer": (
        "Einen früher ausgelieferten Take, etwa takes/v001, in den Sequencer setzen"
    ),
    "The scene «{}» has no preview range.": "Die Szene «{0}» hat keinen Vorschaubereich.",
    "Set one in the timeline (P), or set Range to All.": (
        "In der Zeitleiste einen setzen (P) oder den Bereich auf «Alle» stellen."
    ),
    "Generate {}": "{0} generieren",
    "Select the strip of a take in the sequencer": "Im Sequencer den Strip eines Takes auswählen",
    "Id of the take; empty for the chosen one": "Kennung des Takes; leer für den gewählten",
    "The question before it was answered": "Die Rückfrage davor wurde beantwortet",
    "The plate has seen nothing of what «{}» shows: all of it will be made up.": (
        "Die Plate hat nichts von dem gesehen, was «{0}» zeigt: alles wird erfunden."
    ),
    "No strip of a take is selected.": "Kein Strip eines Takes ist ausgewählt.",
    "Select one in the sequencer.": "Im Sequencer einen auswählen.",
    "The shot of this take, {}, is not in the scene.": "Der Shot dieses Takes, {0}, ist nicht in der Szene.",
    "Reconstruct its plate here, then redo it.": "Seine Plate hier rekonstruieren, dann wiederholen.",
    "Add a take camera first": "Zuerst eine Take-Kamera hinzufügen",
    "Show on Mesh": "Auf dem Mesh zeigen",
    "What viewports draw on the mesh; renders and takes stay as they are": (
        "Was Viewports auf dem Mesh zeigen; Renderings und Takes bleiben, wie sie sind"
    ),
    "Show the plate's pictures on the mesh": "Auf dem Mesh die Bilder der Plate zeigen",
    "Show on the mesh what the plate has seen, and what has to be filled": (
        "Auf dem Mesh zeigen, was die Plate gesehen hat und was gefüllt werden muss"
    ),
    "Show on the mesh where depth was measured, and where it was guessed": (
        "Auf dem Mesh zeigen, wo Tiefe gemessen und wo sie geschätzt wurde"
    ),
    "Show on the mesh how many times as wide the scene's camera sees the plate's pixels": (
        "Auf dem Mesh zeigen, wie viel breiter die Kamera der Szene die Pixel der Plate sieht"
    ),
    "What is drawn on the mesh": "Was auf dem Mesh gezeigt wird",
    "The shot's mesh was placed by an earlier version. Use Close Slits first.": (
        "Das Mesh des Shots stammt aus einer früheren Version. Zuerst «Schlitze schließen» benutzen."
    ),
    "Stop this job; finished stages are kept, the same job later goes on from there": (
        "Diesen Job anhalten; fertige Stufen bleiben, derselbe Job geht später von dort weiter"
    ),
    "Cancel All": "Alle abbrechen",
    "Stop the running job and clear the queue": "Den laufenden Job anhalten und die Warteschlange leeren",
    "Ask for this job again; it goes on from its last finished stage": (
        "Diesen Job noch einmal starten; er geht von seiner letzten fertigen Stufe weiter"
    ),
    "Clear Finished": "Fertige entfernen",
    "Take jobs that have ended off the list": "Beendete Jobs aus der Liste nehmen",
    "Show Error": "Fehler anzeigen",
    "Show why this job has failed": "Zeigen, warum dieser Job gescheitert ist",
    "Take the jobs that were cut off by quitting off the list; the file no longer waits for them": (
        "Die beim Beenden abgebrochenen Jobs aus der Liste nehmen; die Datei wartet nicht mehr auf sie"
    ),
    "This job's request is no longer known; start it again from its panel.": (
        "Der Auftrag dieses Jobs ist nicht mehr bekannt; ihn im Panel neu starten."
    ),
    "Look for Models": "Modelle suchen",
    "Ask the backend which models there are to download, and which are on this computer": (
        "Das Backend fragen, welche Modelle es zum Herunterladen gibt und welche auf diesem Computer sind"
    ),
    "Download Model": "Modell herunterladen",
    (
        "Download this model, or the rest of it. What has come is kept when it is paused or Blender is closed; every "
        "file is compared with its checksum"
    ): (
        "Dieses Modell oder seinen Rest herunterladen. Was da ist, bleibt beim Anhalten und wenn Blender beendet "
        "wird; jede Datei wird mit ihrer Prüfsumme verglichen"
    ),
    "Get Better Depth": "Bessere Tiefe holen",
    "Show the depth models that can be downloaded, with licence and size, those for commercial work first": (
        "Die Tiefenmodelle zeigen, die heruntergeladen werden können, mit Lizenz und Größe, die für kommerzielle "
        "Arbeit zuerst"
    ),
    "A/B": "A/B",
    "The plate, on a channel of its own": "Die Plate, auf einem eigenen Kanal",
    "The version before the selected one; of the first, the one after it": (
        "Die Version vor der gewählten; bei der ersten die danach"
    ),
    (
        "Show the plate, or the version before, in place of the selected take, at the same frames; once more: the take "
        "again. Strips are muted, nothing is moved"
    ): (
        "Die Plate oder die vorige Version anstelle des gewählten Takes zeigen, in denselben Frames; noch einmal: "
        "wieder den Take. Strips werden stumm geschaltet, nichts wird verschoben"
    ),
    "Select the strip of a take that is in the list": "Den Strip eines Takes wählen, der in der Liste ist",
    "The take «{}» has one version in the sequencer.": "Vom Take «{0}» ist eine Version im Sequencer.",
    "Generate it again with other settings, or put another version into the sequencer.": (
        "Ihn mit anderen Einstellungen noch einmal generieren oder eine andere Version in den Sequencer legen."
    ),
    "The plate's picture {} is gone.": "Das Bild {0} der Plate ist weg.",
    "Press Relink, or Reconstruct.": "«Neu verknüpfen» drücken oder «Rekonstruieren».",
    "Seen: {}": "Zu sehen: {0:t}",
    "Say No More of Them": "Nicht mehr anzeigen",
    "Take the jobs of closed files off the display; they go on, and their files find the results": (
        "Die Jobs geschlossener Dateien nicht mehr anzeigen; sie laufen weiter, und ihre Dateien finden die Ergebnisse"
    ),
    "Install and Download": "Installieren und herunterladen",
    "Download {}?": "{0} herunterladen?",
    "No model «{}» is known.": "Kein Modell «{0}» ist bekannt.",
    "Press Look for Models in the preferences.": "In den Einstellungen «Modelle suchen» drücken.",
    "Better Depth": "Bessere Tiefe",
    "The backend is asked which models there are; the list opens by itself": (
        "Das Backend wird gefragt, welche Modelle es gibt; die Liste öffnet sich von selbst"
    ),
    "Copy Other Files' Shots": "Shots anderer Dateien kopieren",
    "Copy the shots of other .blend files out of the extension's folder; open those files and relink": (
        "Die Shots anderer .blend-Dateien aus dem Ordner der Erweiterung kopieren; diese Dateien öffnen und neu "
        "verknüpfen"
    ),
    "Move Shot": "Shot verschieben",
    "Copy the shot's folder to another place, compare every file, and let this .blend use the copy": (
        "Den Ordner des Shots an einen anderen Ort kopieren, jede Datei vergleichen und diese .blend die Kopie "
        "benutzen lassen"
    ),
    "Leave It There": "Dort lassen",
    "The shot's folder stays where it is, as where another .blend works with it too": (
        "Der Ordner des Shots bleibt, wo er ist, etwa weil eine andere .blend ihn auch benutzt"
    ),
    "{} shots are copied to {}. Relink Mesh finds them in their files; then {} may be deleted.": (
        "{0} Shots sind nach {1} kopiert. «Mesh neu verknüpfen» findet sie in ihren Dateien; dann darf {2} gelöscht "
        "werden."
    ),
    "The shot is in {}. Save the .blend; then {} may be deleted.": (
        "Der Shot ist in {0}. Die .blend speichern; dann darf {1} gelöscht werden."
    ),
    "Folder that the shots are copied into": "Ordner, in den die Shots kopiert werden",
    "No folder is chosen.": "Kein Ordner ist gewählt.",
    "Name the folder that the shots are copied into.": "Den Ordner nennen, in den die Shots kopiert werden.",
    "The shot's new folder; it must not exist yet": "Der neue Ordner des Shots; es darf ihn noch nicht geben",
    "It is copied and compared; then this .blend uses the copy. Save it afterwards.": (
        "Er wird kopiert und verglichen; dann benutzt diese .blend die Kopie. Danach speichern."
    ),
    "Name the shot's new folder.": "Den neuen Ordner des Shots nennen.",
    "Jobs are running.": "Es laufen Jobs.",
    "Move the shot when they are done, or cancel them.": (
        "Den Shot verschieben, wenn sie fertig sind, oder sie abbrechen."
    ),
    "«{}» lies in {}": "«{0}» liegt in {1}",
    "Points are being picked: Escape ends it": "Punkte werden gewählt: Esc beendet es",
    "No points are picked.": "Keine Punkte sind gewählt.",
    "Pick them in a 3D viewport, or give points and their count.": (
        "Sie in einem 3D-Viewport wählen oder Punkte und ihre Anzahl angeben."
    ),
    "The shot «{}» has no mesh.": "Der Shot «{0}» hat kein Mesh.",
    "Reconstruct it again.": "Ihn noch einmal rekonstruieren.",
    "The plate has seen nothing of «{}» there: click on its surface": (
        "Die Plate hat dort nichts von «{0}» gesehen: auf die Oberfläche klicken"
    ),
    "Moves turn about a point {} from the source camera.": "Fahrten drehen um einen Punkt {0} vor der Quellkamera.",
    "Pick Pivot": "Drehpunkt wählen",
    "Pick the point on the mesh that new moves of this shot turn about; Apply Move gives it to a take": (
        "Den Punkt auf dem Mesh wählen, um den neue Fahrten dieses Shots drehen; «Fahrt anwenden» gibt ihn einem Take"
    ),
    "Pivot to 3D Cursor": "Drehpunkt zum 3D-Cursor",
    "Let new moves of this shot turn about the 3D cursor": "Neue Fahrten dieses Shots um den 3D-Cursor drehen lassen",
    "3D Cursor to Pivot": "3D-Cursor zum Drehpunkt",
    "Put the 3D cursor on the point that new moves of this shot turn about at this frame": (
        "Den 3D-Cursor auf den Punkt setzen, um den neue Fahrten dieses Shots in diesem Frame drehen"
    ),
    "Reset Pivot": "Drehpunkt zurücksetzen",
    "Let new moves of this shot turn about the point that was measured on the plate": (
        "Neue Fahrten dieses Shots um den Punkt drehen lassen, der auf der Plate gemessen wurde"
    ),
    "what moves are to turn about": "worum Fahrten drehen sollen",
    "Open Plate": "Plate öffnen",
    "Choose a movie, or one picture of an image sequence, to re-shoot": (
        "Einen Film oder ein Bild einer Bildsequenz wählen, um neu zu drehen"
    ),
    "Use Movie Clip": "Movie Clip verwenden",
    "Take a movie clip as the plate, with its solved camera if it has one": (
        "Einen Movie Clip als Plate nehmen, mit seiner gelösten Kamera, wenn er eine hat"
    ),
    "Use Selected Strip": "Gewählter Strip",
    "Take the movie or image strip that is selected in the sequencer as the plate, cut as it is": (
        "Den im Sequencer ausgewählten Film- oder Bild-Strip als Plate nehmen, so wie er geschnitten ist"
    ),
    "Use Solved Frames Only": "Nur gelöste Frames verwenden",
    "Take only those frames of the clip that its camera is solved for, the longest run of them": (
        "Nur die Frames des Clips nehmen, für die seine Kamera gelöst ist, das längste Stück davon"
    ),
    "Use This Shot": "Diesen Shot verwenden",
    "Take only these frames of a plate that cuts; Reconstruct then makes a shot of them": (
        "Nur diese Frames einer Plate mit Schnitten nehmen; «Rekonstruieren» macht dann einen Shot daraus"
    ),
    "Open Folder": "Ordner öffnen",
    "Show this folder in the file manager": "Diesen Ordner im Dateimanager zeigen",
    "{} is neither a movie nor a picture that Blender can read.": (
        "{0} ist weder ein Film noch ein Bild, das Blender lesen kann."
    ),
    "Choose a movie, a picture of a sequence, or its folder.": (
        "Einen Film, ein Bild einer Sequenz oder deren Ordner wählen."
    ),
    "The plate would start at scene frame {}; Blender's scenes start at 0, so it does not.": (
        "Die Plate begänne bei Szenen-Frame {0}; Blenders Szenen beginnen bei 0, deshalb nicht dort."
    ),
    "There are no pictures {}.": "Es gibt keine Bilder {0}.",
    "Choose one picture of the sequence, or its folder.": "Ein Bild der Sequenz oder ihren Ordner wählen.",
    "Open a clip in the Movie Clip Editor first": "Zuerst im Movie Clip Editor einen Clip öffnen",
    "The plate is no clip with a solved camera": "Die Plate ist kein Clip mit gelöster Kamera",
    "The clip's lens distortion is ignored: set Lens to Movie Clip, or undistort the plate.": (
        "Die Verzeichnung des Clips wird nicht beachtet: Objektiv auf «Movie Clip» stellen oder die Plate entzerren."
    ),
    "The plate's lens is that of the clip's camera; Lens changes that.": (
        "Das Objektiv der Plate ist das der Kamera des Clips; unter «Objektiv» ist es zu ändern."
    ),
    "There is no plate {}.": "Es gibt keine Plate {0}.",
    "Name of the movie clip": "Name des Movie Clips",
    "There is no movie clip «{}».": "Es gibt keinen Movie Clip «{0}».",
    "Open it in the Movie Clip Editor.": "Ihn im Movie Clip Editor öffnen.",
    "The plate is no clip.": "Die Plate ist kein Clip.",
    "Take a movie clip with a solved camera as the plate.": "Einen Movie Clip mit gelöster Kamera als Plate nehmen.",
    "The camera of «{}» is solved for no frame.": "Die Kamera von «{0}» ist für keinen Frame gelöst.",
    "Solve it first.": "Sie zuerst lösen.",
    "«{}» shows none of its solved frames.": "«{0}» zeigt keinen seiner gelösten Frames.",
    "The plate's own number": "Nach der Zählung der Plate",
    "Frames {}-{} are not the plate's.": "Die Frames {0}-{1} gehören nicht zur Plate.",
    "Choose some of those that it has.": "Von ihren eigenen wählen.",
    "The folder {} does not exist any more.": "Den Ordner {0} gibt es nicht mehr.",
    "Look for where it was moved.": "Nachsehen, wohin er verschoben wurde.",
    "Render the take quickly at a quarter of its size, show it through its camera, and count what is seen": (
        "Den Take schnell in einem Viertel seiner Größe rendern, durch seine Kamera zeigen und die Abdeckung zählen"
    ),
    "Hide Preview": "Vorschau ausblenden",
    "Take the preview away from the take's camera": "Die Vorschau von der Kamera des Takes nehmen",
    "Preview {}": "Vorschau {0}",
    "Get the plate's depth, build its mesh and put both with the source camera into the scene": (
        "Die Tiefe der Plate ermitteln, ihr Mesh bauen und beides mit der Quellkamera in die Szene setzen"
    ),
    "Solve Camera": "Kamera lösen",
    (
        "Solve the plate's camera in this way and reconstruct the shot with it. Its place in the scene and all takes "
        "stay, and so do the keys of their cameras: Apply Move lays one on the new path"
    ): (
        "Die Kamera der Plate so lösen und den Shot damit rekonstruieren. Sein Platz in der Szene und alle Takes "
        "bleiben, auch die Keyframes ihrer Kameras: «Fahrt anwenden» legt eine auf den neuen Weg"
    ),
    "Look Through Camera": "Durch die Kamera blicken",
    "Show the plate on the mesh, seen through the scene's camera": (
        "Die Plate auf dem Mesh zeigen, durch die Kamera der Szene gesehen"
    ),
    "Hide What Stands in the Way": "Ausblenden, was im Weg steht",
    "Hide the objects that stand between the source camera and the mesh, in viewports and renders": (
        "Die Objekte zwischen Quellkamera und Mesh ausblenden, in Viewports und Renderings"
    ),
    "Match Scene to Plate": "Szene an Plate anpassen",
    "Set the scene's resolution, frame rate, range and view transform to those of the plate": (
        "Auflösung, Bildrate, Bereich und View Transform der Szene auf die der Plate setzen"
    ),
    "Relink Mesh": "Mesh neu verknüpfen",
    "Choose where the shot's viewport folder is now: the mesh's files are not where they were": (
        "Wählen, wo der Viewport-Ordner des Shots jetzt ist: die Dateien des Meshs sind nicht mehr an ihrem Platz"
    ),
    "No plate is chosen.": "Keine Plate ist gewählt.",
    "Open one in the panel Plate.": "Im Panel Plate eine öffnen.",
    "The shot's folder {} has a path too long for Blender to keep those of its pictures.": (
        "Der Ordner {0} des Shots hat einen zu langen Pfad, als dass Blender sich die seiner Bilder merken könnte."
    ),
    "Choose a shot folder with a path of at most {} bytes.": (
        "Einen Ordner für den Shot wählen, dessen Pfad höchstens {0} Bytes hat."
    ),
    "No source camera is chosen.": "Keine Quellkamera ist gewählt.",
    "Choose its object, or another Source Camera.": "Ihr Objekt wählen oder eine andere Quellkamera.",
    "Reconstruct {}": "{0} rekonstruieren",
    "Open a plate first": "Zuerst eine Plate öffnen",
    "Reconstruct a plate first": "Zuerst eine Plate rekonstruieren",
    "The scene has no mesh of a shot": "Die Szene hat kein Mesh eines Shots",
    "No lens file is chosen.": "Keine Objektivdatei ist gewählt.",
    "Choose it, or set Lens to None, in the panel Plate.": (
        "Sie wählen oder im Panel Plate «Objektiv» auf «Keines» stellen."
    ),
    "The plate is no Movie Clip, so that it has no clip's lens.": (
        "Die Plate ist kein Movie Clip und hat deshalb kein Objektiv eines Clips."
    ),
    "Take the clip as the plate, or set Lens to None or File, in the panel Plate.": (
        "Den Clip als Plate nehmen oder im Panel Plate «Objektiv» auf «Keines» oder «Datei» stellen."
    ),
    "Two focal lengths are given: the Movie Clip's and a field of view.": (
        "Zwei Brennweiten sind angegeben: die des Movie Clips und ein Bildwinkel."
    ),
    "Untick Known Lens, or set the clip's focal length and Lens to None.": (
        "«Bekanntes Objektiv» abwählen oder die Brennweite des Clips setzen und «Objektiv» auf «Keines»."
    ),
    "No depth files are chosen.": "Keine Tiefendateien sind gewählt.",
    "Choose them, or set Depth to Automatic.": "Sie wählen oder «Tiefe» auf «Automatisch» stellen.",
    "No camera file is chosen.": "Keine Kameradatei ist gewählt.",
    "Choose it, or another Source Camera.": "Sie wählen oder eine andere Quellkamera.",
    "Set resolution, frame rate, range and view transform to those of the plate": (
        "Auflösung, Bildrate, Bereich und View Transform auf die der Plate setzen"
    ),
    "Source Camera": "Quellkamera",
    "How the plate's camera moved": "Wie sich die Kamera der Plate bewegt hat",
    "The depth files come with their camera, so it is not solved.": (
        "Die Tiefendateien bringen ihre Kamera mit; sie wird nicht gelöst."
    ),
    "Set Depth to Automatic first.": "Zuerst «Tiefe» auf «Automatisch» stellen.",
    "How the mesh is drawn": "Wie das Mesh gezeichnet wird",
    "Between the camera and the mesh: {}. Hide What Stands in the Way helps.": (
        "Zwischen Kamera und Mesh: {0}. «Ausblenden, was im Weg steht» hilft."
    ),
    "The scene matches the plate already.": "Die Szene passt schon zur Plate.",
    "The scene is not set up for this plate. Change it?": "Die Szene ist nicht für diese Plate eingerichtet. Ändern?",
    "Reconstruct it.": "Sie rekonstruieren.",
    "{} is no lens file.": "{0} ist keine Objektivdatei.",
    "Choose a JSON, YAML or XML file.": "Eine JSON-, YAML- oder XML-Datei wählen.",
    "Solid mode: the pictures alone, with the holes": "Solid-Modus: nur die Bilder, mit den Löchern",
    "As Rendered": "Wie gerendert",
    "Material Preview, with what light there is; slow in heavy scenes": (
        "Materialvorschau, mit dem Licht der Szene; langsam in großen Szenen"
    ),
    "Separate Shots": "Shots trennen",
    "Reconstruct each shot of this plate by itself, in a scene of its own. This scene and its shot stay as they are": (
        "Jeden Shot dieser Plate für sich rekonstruieren, in einer eigenen Szene. Diese Szene und ihr Shot bleiben, "
        "wie sie sind"
    ),
    "No cut was found in this plate": "In dieser Plate wurde kein Schnitt gefunden",
    "Scenes of the shots: {}.": "Szenen der Shots: {0}.",
    "The shot begins before frame 0, where the parts cannot stay, and the source camera is keyed there.": (
        "Der Shot beginnt vor Frame 0, wo die Teile nicht bleiben können, und die Quellkamera hat dort Keyframes."
    ),
    "Move the shot and the keys of its camera to later frames.": (
        "Den Shot und die Keyframes seiner Kamera auf spätere Frames verschieben."
    ),
    "Show Result": "Ergebnis zeigen",
    "Show the finished takes in a sequencer, in place of the 3D viewport where there is none; and back to the scene": (
        "Die fertigen Takes in einem Sequencer zeigen, anstelle des 3D-Viewports, wo keiner ist; und zurück zur Szene"
    ),
    "Move Strips to Their Own Scene": "Strips in eigene Szene",
    "Move the strips of takes out of this scene, so that rendering shows its objects again": (
        "Die Strips von Takes aus dieser Szene nehmen, damit Rendern wieder ihre Objekte zeigt"
    ),
    "Keep Pictures in Their Takes": "Bilder im Take behalten",
    "Put the masks and colour that strips show from the cache into their takes' folders, and show them from there": (
        "Masken und Farbe, die Strips aus dem Cache zeigen, in die Ordner ihrer Takes legen und von dort zeigen"
    ),
    "Generate a take first": "Zuerst einen Take generieren",
    "There are no strips of takes in this scene": "In dieser Szene gibt es keine Strips von Takes",
    "No strip shows pictures from the cache": "Kein Strip zeigt Bilder aus dem Cache",
    "{} strips were not moved: effects, modifiers or keys of yours hang on them.": (
        "{0} Strips wurden nicht verschoben: eigene Effekte, Modifikatoren oder Keyframes hängen an ihnen."
    ),
    "Move them by hand to the scene «{}», or mute them.": (
        "Sie von Hand in die Szene «{0}» verschieben oder stummschalten."
    ),
    "{} strips stay: effects, modifiers or keys of yours hang on them.": (
        "{0} Strips bleiben: eigene Effekte, Modifikatoren oder Keyframes hängen an ihnen."
    ),
    "The pictures of {} strips cannot be kept.": "Die Bilder von {0} Strips können nicht aufbewahrt werden.",
    "Make their takes again.": "Ihre Takes noch einmal erzeugen.",
    "The pictures of {} of {} strips cannot be kept.": (
        "Die Bilder von {0} von {1} Strips können nicht aufbewahrt werden."
    ),
    "Choose Shot": "Shot wählen",
    (
        "Work on this shot: its root, camera and mesh are selected, its plate and settings are those of the panel, and "
        "camera views look through its source camera"
    ): (
        "An diesem Shot arbeiten: Wurzel, Kamera und Mesh werden ausgewählt, das Panel zeigt seine Plate und "
        "Einstellungen, Kameraansichten blicken durch seine Quellkamera"
    ),
    "Name of the shot's Empty": "Name des Empty dieses Shots",
    "There is no shot «{}» in the scene.": "Es gibt keinen Shot «{0}» in der Szene.",
    "Choose one of the list.": "Einen aus der Liste wählen.",
    "Add Take Camera": "Take-Kamera hinzufügen",
    "Add a camera that starts as the source camera, with a move as ordinary keyframes": (
        "Eine Kamera hinzufügen, die als Quellkamera beginnt, mit einer Fahrt als gewöhnlichen Keyframes"
    ),
    "Take from Camera": "Take aus Kamera",
    "Make a take of the active camera object, or of the scene's camera as markers switch it": (
        "Aus der aktiven Kamera einen Take machen oder aus der Kamera der Szene, wie Marker sie umschalten"
    ),
    "Remove Take": "Take entfernen",
    "Take the take off the list; its camera, files and strips stay": (
        "Den Take aus der Liste nehmen; Kamera, Dateien und Strips bleiben"
    ),
    "Find Versions": "Versionen finden",
    "Look in the shot's folder for versions of this take that are not in the list": (
        "Im Ordner des Shots nach Versionen dieses Takes suchen, die nicht in der Liste sind"
    ),
    "Find Takes": "Takes finden",
    "Take cameras of takes that are in no list into it, such as appended ones, with their versions": (
        "Kameras von Takes, die in keiner Liste sind, etwa angehängte, mit ihren Versionen aufnehmen"
    ),
    "Apply Move": "Fahrt anwenden",
    "Give the take's camera this move; the keys of its former move are replaced": (
        "Der Kamera des Takes diese Fahrt geben; die Keyframes ihrer früheren Fahrt werden ersetzt"
    ),
    "Let the take's camera sway like one held by hand, by noise on its curves that stays editable": (
        "Die Kamera des Takes schwanken lassen wie eine Handkamera, durch Rauschen auf ihren Kurven, das bearbeitbar "
        "bleibt"
    ),
    (
        "{} was reconstructed anew since «{}» was put into this scene: the take is rendered from the newer mesh. "
        "Reconstruct shows it here."
    ): (
        "{0} wurde neu rekonstruiert, seit «{1}» in diese Szene kam: der Take wird vom neueren Mesh gerendert. "
        "«Rekonstruieren» zeigt es hier."
    ),
    "Choose a take with a camera of its own": "Einen Take mit eigener Kamera wählen",
    "No take is chosen.": "Kein Take ist gewählt.",
    "Add a take camera first.": "Zuerst eine Take-Kamera hinzufügen.",
    "The take has the scene's size, {}x{}; the plate has {}x{}. Match Scene sets it.": (
        "Der Take hat die Größe der Szene, {0}x{1}; die Plate hat {2}x{3}. «Szene an Plate anpassen» ändert das."
    ),
    "The preview range {}-{} does not limit a take; Range does.": (
        "Der Vorschaubereich {0}-{1} begrenzt einen Take nicht; «Bereich» tut es."
    ),
    (
        "«{}» is shown from {}, but its takes are made in {}, which is another copy of the shot. Relink Mesh takes the "
        "one that is shown."
    ): (
        "«{0}» wird aus {1} gezeigt, seine Takes entstehen aber in {2}, einer anderen Kopie des Shots. «Mesh neu "
        "verknüpfen» nimmt die gezeigte."
    ),
    "{} more versions of «{}» are in {}.": "{0} weitere Versionen von «{1}» sind in {2}.",
    "All cameras of takes are in the list": "Alle Kameras von Takes sind in der Liste",
    "{} takes with {} versions were found.": "{0} Takes mit {1} Versionen wurden gefunden.",
    "The take «{}» has no camera of its own.": "Der Take «{0}» hat keine eigene Kamera.",
    "Choose one for it.": "Eine für ihn wählen.",
    "Such as orbit:30 or lock:1012+orbit:30; empty for the one in the panel, none for no move": (
        "Etwa orbit:30 oder lock:1012+orbit:30; leer für die im Panel, none für keine Fahrt"
    ),
    "Scene Camera with Markers": "Szenenkamera mit Markern",
    "Follow the scene's active camera through its markers": "Der aktiven Kamera der Szene über ihre Marker folgen",
    "Select the camera that the take is to have.": "Die Kamera auswählen, die der Take haben soll.",
    "No camera is selected.": "Keine Kamera ist ausgewählt.",
    "{} versions of «{}» were found in {}.": "{0} Versionen von «{1}» wurden in {2} gefunden.",
    "Find Removed Takes ({})": "Entfernte Takes finden ({0})",
    "Its list of {} versions goes; camera, rig, strips and files stay.": (
        "Seine Liste von {0} Versionen verschwindet; Kamera, Rig, Strips und Dateien bleiben."
    ),
    "Find Removed Takes brings it back.": "«Entfernte Takes finden» holt ihn zurück.",
    "Find Versions brings it to a take of the same name.": (
        "«Versionen finden» bringt sie zu einem Take desselben Namens."
    ),
    "Such as orbit:30 or lock:1012+orbit:30; empty for the one in the panel": (
        "Etwa orbit:30 oder lock:1012+orbit:30; leer für die im Panel"
    ),
    "«{}» is no child of «{}» any more: the move is its own.": (
        "«{0}» ist kein Kind von «{1}» mehr: die Fahrt ist ihre eigene."
    ),
    "«{}» has {}, which act besides the move.": "«{0}» hat {1}; das wirkt neben der Fahrt.",
    "Below 0: the panel's": "Unter 0: wie im Panel",
    "A/B Wipe": "A/B-Wipe",
    (
        "Show the take's newest version over its camera, beside the plate or the version before it. Drag the line; W "
        "over the viewport changes sides"
    ): (
        "Die neueste Version des Takes über seiner Kamera zeigen, neben der Plate oder der Version davor. Die Linie "
        "ziehen; W über dem Viewport tauscht die Seiten"
    ),
    "Flip Sides": "Seiten tauschen",
    "Show on the left of the line what was on its right": "Links der Linie zeigen, was rechts von ihr war",
    "End A/B Wipe": "A/B-Wipe beenden",
    "Show the scene through the camera again": "Wieder die Szene durch die Kamera zeigen",
    "The plate as it was filmed": "Die Plate, wie sie gefilmt wurde",
    "Last Version": "Letzte Version",
    "The version of the take before its newest": "Die Version des Takes vor seiner neuesten",
    "No A/B wipe is shown": "Kein A/B-Wipe wird gezeigt",
    "The take «{}» has one version.": "Der Take «{0}» hat nur eine Version.",
    "Generate it again with other settings, or compare it with the plate.": (
        "Ihn mit anderen Einstellungen noch einmal generieren oder mit der Plate vergleichen."
    ),
    "Floor": "Boden",
    "Origin": "Ursprung",
    "Axis": "Achse",
    "Length": "Länge",
    "Landmarks": "Landmarken",
    "Root": "Wurzel",
    "Height": "Höhe",
    "Shot": "Shot",
    "By": "Nach",
    "Start": "Start",
    "Stop": "Anhalten",
    "Copy": "Kopieren",
    "Holdout": "Holdout",
    "Relight": "Beleuchten",
    "Comp": "Comp",
    "Switch": "Schalter",
    "On": "Ein",
    "Strength": "Stärke",
    "Preset": "Vorgabe",
    "Logs": "Protokolle",
    "Take": "Take",
    "Plate": "Plate",
    "Coverage": "Gesehen",
    "Stretch": "Dehnung",
    "Map": "Karte",
    "Cancel": "Abbrechen",
    "Retry": "Wiederholen",
    "Understood": "Verstanden",
    "To": "Nach",
    "Clip": "Clip",
    "First": "Erster",
    "Last": "Letzter",
    "Shading": "Darstellung",
    "Fast": "Schnell",
    "Hand-Held": "Handkamera",
    "Against": "Gegen",
    "Clean Cache of {}": "Cache von {0} aufräumen",
    "Look at Cache of {}": "Cache von {0} ansehen",
    "{}: 1 folder, {}": "{0:t}: 1 Ordner, {1}",
    "{}: {} folders, {}": "{0:t}: {1} Ordner, {2}",
    "{}: click on {}   Backspace: one back   Esc: cancel": (
        "{0:t}: auf {1:t} klicken   Rücktaste: eins zurück   Esc: abbrechen"
    ),
    "{}x{}, 1 frame": "{0}x{1}, 1 Frame",
    "{}x{}, {} frames": "{0}x{1}, {2} Frames",
    "{}x{}{}, {} frames": "{0}x{1}{2:t}, {3} Frames",
    ", {} fps": ", {0} fps",
    "«{}» is not a camera.": "«{0}» ist keine Kamera.",
    "keys": "Keyframes",
    "drivers": "Treiber",
    "constraints": "Constraints",
    "Generate it first.": "Ihn zuerst generieren.",
    "Project on Mesh": "Auf Mesh projizieren",
    "Project {} {}": "{0} {1} projizieren",
    "Show Plate on Mesh": "Plate auf Mesh zeigen",
    (
        "Show the chosen version on the mesh in place of the plate, projected from its own camera: for Blender to "
        "look at it, and render it, from elsewhere. What the version has not seen of the mesh is a hole"
    ): (
        "Die gewählte Version statt der Plate auf dem Mesh zeigen, aus ihrer eigenen Kamera projiziert: damit Blender "
        "sie von anderswo zeigen und rendern kann. Was die Version vom Mesh nicht gesehen hat, ist ein Loch"
    ),
    "Show the plate on the mesh again, in place of the take that is projected on it": (
        "Auf dem Mesh wieder die Plate zeigen statt des Takes, der darauf projiziert ist"
    ),
    "The mesh shows the plate": "Das Mesh zeigt die Plate",
    "The take has no finished version yet": "Der Take hat noch keine fertige Version",
    "The take «{}» has no finished version.": "Der Take «{0}» hat keine fertige Version.",
    "Generate a take first, or preview it": "Zuerst einen Take generieren oder eine Vorschau machen",
    "The take «{}» has no version.": "Der Take «{0}» hat keine Version.",
    "Where its pixels come from: the plate's own frame, another frame, or what fills": (
        "Woher seine Pixel kommen: aus dem Frame der Plate selbst, aus einem anderen oder aus der Füllung"
    ),
}
